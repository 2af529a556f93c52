// A clustering made elsewhere, read from a file: bytes in, centroids in input units out. Pure, and it runs nothing that a
// file holds: numbers and text are read, Python objects (pickles) are refused. Read clusterer.ts first.

export { type ImportedClusterer, readClusterer } from './clusterer.ts';

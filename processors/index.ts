// What happens to a batch, one file each. processor.ts is the contract. A processor sees columns and a context, nothing
// of brokers or threads.

export type { Processor, ProcessorContext, PunctuationKind } from './processor.ts';

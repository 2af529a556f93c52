// A model as PMML 4.4 (http://dmg.org/pmml/v4-4/ClusteringModel.html): centre-based clustering on features scaled by the
// model's scaler, squared Euclidean distance. The predicted value is the cluster id, the affinity its squared distance.

import type { Model } from '../schemas/index.ts';
import { escapeMarkup } from '../support/index.ts';
import { checkExportable, featureNames, provenance, scaledCentroids } from './export-space.ts';

/** @throws InvalidSettingError for a model by cosine or with missing values. */
export function encodePmml(model: Model): string {
  checkExportable(model, 'PMML');
  const { k, dims, mean, scale, clusterIds, weights, codeVersion, version } = model;
  const names = featureNames(model).map(escapeMarkup);
  const centroids = scaledCentroids(model);
  const rows = <T>(count: number, row: (i: number) => T) =>
    Array.from({ length: count }, (_, i) => row(i));
  const clusters = rows(k, (j) => {
    const centroid = centroids.subarray(j * dims, (j + 1) * dims).join(' ');
    return `      <Cluster id="${escapeMarkup(clusterIds[j]!)}" size="${Math.round(weights[j]!)}"><Array n="${dims}" type="real">${centroid}</Array></Cluster>`;
  });
  const extensions = Object.entries(provenance(model)).map(
    ([name, value]) =>
      `    <Extension extender="meanstream" name="${name}" value="${escapeMarkup(value)}"/>`,
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4">
  <Header description="Nearest of ${k} centroids">
${extensions.join('\n')}
    <Application name="meanstream" version="${escapeMarkup(codeVersion)}"/>
  </Header>
  <DataDictionary numberOfFields="${dims}">
${names.map((name) => `    <DataField name="${name}" optype="continuous" dataType="double"/>`).join('\n')}
  </DataDictionary>
  <ClusteringModel modelName="${escapeMarkup(version)}" functionName="clustering" modelClass="centerBased" numberOfClusters="${k}">
    <MiningSchema>
${names.map((name) => `      <MiningField name="${name}"/>`).join('\n')}
    </MiningSchema>
    <Output>
      <OutputField name="cluster_id" optype="categorical" dataType="string" feature="predictedValue"/>
      <OutputField name="squared_distance" optype="continuous" dataType="double" feature="affinity"/>
    </Output>
    <LocalTransformations>
${rows(dims, (d) => scaledField(names[d]!, mean[d]!, scale[d]!)).join('\n')}
    </LocalTransformations>
    <ComparisonMeasure kind="distance" compareFunction="absDiff"><squaredEuclidean/></ComparisonMeasure>
${names.map((name) => `    <ClusteringField field="scaled_${name}" compareFunction="absDiff"/>`).join('\n')}
${clusters.join('\n')}
  </ClusteringModel>
</PMML>
`;
}

/** (field − mean) / scale */
function scaledField(name: string, mean: number, scale: number): string {
  const centred = `<Apply function="-"><FieldRef field="${name}"/><Constant dataType="double">${mean}</Constant></Apply>`;
  return `      <DerivedField name="scaled_${name}" optype="continuous" dataType="double"><Apply function="/">${centred}<Constant dataType="double">${scale}</Constant></Apply></DerivedField>`;
}

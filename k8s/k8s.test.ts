// The manifests as kustomize builds them, for every overlay and every choice of components: what a reviewer would look for in each pod.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadSettings } from '../config/index.ts';

type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };
interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string; labels: Record<string, string> };
  spec: Record<string, unknown>;
  data?: Record<string, string>;
  automountServiceAccountToken?: boolean;
}
interface Container {
  name: string;
  image: string;
  command: string[];
  args: string[];
  securityContext: Json;
  resources: { requests: Record<string, string>; limits: Record<string, string> };
  ports?: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  env: { name: string; value: string }[];
  envFrom?: Json;
  startupProbe?: Probe;
  readinessProbe?: Probe;
  livenessProbe?: Probe;
}
interface Probe {
  httpGet: { path: string; port: string };
}
interface PodSpec {
  containers: Container[];
  initContainers?: Container[];
  securityContext: Json;
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  enableServiceLinks: boolean;
  terminationGracePeriodSeconds: number;
  volumes: {
    name: string;
    configMap?: { name: string };
    persistentVolumeClaim?: { claimName: string };
  }[];
}

const folder = import.meta.dirname;
const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
const why = kubectl ? '' : ' (skipped: kubectl is not installed)';

function build(path: string): Resource[] {
  const built = spawnSync('kubectl', ['kustomize', path], { encoding: 'utf8' });
  expect(built.stderr).toBe('');
  return parseAllDocuments(built.stdout).map((document) => document.toJS() as Resource);
}

/** The base with these components, as an overlay of somebody else's would choose them. */
function buildOf(components: readonly string[]): Resource[] {
  const own = mkdtempSync(join(tmpdir(), 'meanstream-k8s-'));
  const at = (path: string) => `  - ${relative(own, join(folder, path))}\n`;
  const chosen = components.map((name) => at(`components/${name}`)).join('');
  const text = `namespace: meanstream\nresources:\n${at('base')}components:\n${chosen}`;
  writeFileSync(join(own, 'kustomization.yaml'), text);
  try {
    return build(own);
  } finally {
    rmSync(own, { recursive: true });
  }
}

function podOf({ kind, spec }: Resource): PodSpec | undefined {
  type Template = { template: { spec: PodSpec } };
  if (kind === 'CronJob') return (spec.jobTemplate as { spec: Template }).spec.template.spec;
  return (spec as Partial<Template> | undefined)?.template?.spec;
}

const choices = [
  { path: 'overlays/local', retrain: 'served', artifacts: 'volume' },
  { path: 'overlays/production', retrain: 'served', artifacts: 's3' },
  { path: 'base', retrain: 'served', artifacts: 'volume' },
  { path: 'base', retrain: 'nightly', artifacts: 'volume' },
  { path: 'base', retrain: 'nightly', artifacts: 's3' },
] as const;

describe.skipIf(!kubectl).each(choices)(
  `the manifests of $path with retrain-$retrain and artifacts-$artifacts${why}`,
  ({ path, retrain, artifacts }) => {
    const isOverlay = path !== 'base';
    const made = () =>
      isOverlay
        ? build(join(folder, path))
        : buildOf([`retrain-${retrain}`, `artifacts-${artifacts}`]);
    const resources = kubectl ? made() : [];
    const kind = retrain === 'served' ? 'Deployment' : 'CronJob';
    const runner = `${kind} meanstream-retrain`;
    const workers = `${kind} meanstream-retrain-workers`;
    const one = (kind: string, name: string): Resource => {
      const found = resources.filter((each) => each.kind === kind && each.metadata.name === name);
      expect(found).toHaveLength(1);
      return found[0]!;
    };
    const pods = resources.flatMap((resource) => {
      const pod = podOf(resource);
      return pod === undefined ? [] : [{ name: `${resource.kind} ${resource.metadata.name}`, pod }];
    });
    const containerOf = (name: string): Container =>
      pods.find((each) => each.name === name)!.pod.containers[0]!;

    it('are a processor, a gateway, a retrain with its workers and the topics, all in a restricted namespace', () => {
      const expected = [
        runner,
        workers,
        'Deployment meanstream-gateway',
        'Job meanstream-topics',
        'StatefulSet meanstream-processor',
      ];
      expect(pods.map(({ name }) => name).sort()).toEqual(expected.sort());
      const labels = one('Namespace', 'meanstream').metadata.labels;
      expect(labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
      for (const { kind, metadata } of resources) {
        if (kind !== 'Namespace') expect(metadata.namespace).toBe('meanstream');
      }
    });

    it('keep every pod to the restricted profile, on a read-only file system and without a token', () => {
      expect(one('ServiceAccount', 'meanstream').automountServiceAccountToken).toBe(false);
      for (const { name, pod } of pods) {
        expect(pod.securityContext, name).toMatchObject({
          runAsNonRoot: true,
          runAsUser: 10001,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(pod.serviceAccountName, name).toBe('meanstream');
        expect(pod.automountServiceAccountToken, name).toBe(false);
        expect(pod.enableServiceLinks, name).toBe(false);
        for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
          expect(container.securityContext, name).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
        }
      }
    });

    it('ask for and limit the CPU and memory of every container', () => {
      for (const { name, pod } of pods) {
        for (const { resources: asked } of pod.containers) {
          for (const amounts of [asked.requests, asked.limits]) {
            expect(Object.keys(amounts).sort(), name).toEqual(['cpu', 'memory']);
          }
        }
      }
    });

    it.each([
      ['StatefulSet meanstream-processor', 'metrics', 9464],
      ['Deployment meanstream-gateway', 'http', 8080],
    ])('probe %s on its port %s', (name, port, containerPort) => {
      const container = containerOf(name);
      expect(container.ports).toEqual([{ name: port, containerPort }]);
      expect(container.startupProbe!.httpGet).toEqual({ path: '/startupz', port });
      expect(container.readinessProbe!.httpGet).toEqual({ path: '/readyz', port });
      expect(container.livenessProbe!.httpGet).toEqual({ path: '/livez', port });
    });

    it.each([
      ['StatefulSet meanstream-processor', ['processor']],
      ['Deployment meanstream-gateway', ['gateway']],
      [runner, retrain === 'served' ? ['retrain', '--serve'] : ['retrain']],
      [workers, retrain === 'served' ? ['retrain-worker'] : ['retrain-worker', '--once']],
      ['Job meanstream-topics', ['topics', 'apply']],
    ])('let %s run meanstream %j with the mounted settings', (name, command) => {
      const { command: program, args, volumeMounts } = containerOf(name);
      expect(program).toEqual(['node', 'dist/bin/meanstream.js']);
      expect(args).toEqual([...command, '--config', '/etc/meanstream/meanstream.yaml']);
      expect(volumeMounts).toContainEqual({
        name: 'settings',
        mountPath: '/etc/meanstream',
        readOnly: true,
      });
    });

    it('mount settings that the loader accepts, with the ports and folder used here', () => {
      const [map] = resources.filter(({ kind }) => kind === 'ConfigMap');
      const mounted = pods.map(({ pod }) => pod.volumes[0]!.configMap!.name);
      expect(new Set(mounted)).toEqual(new Set([map!.metadata.name]));
      const file = join(folder, path, 'meanstream.yaml');
      expect(map!.data!['meanstream.yaml']).toBe(readFileSync(file, 'utf8'));
      const environment = { MEANSTREAM_SASL_PASSWORD: 'from the secret' };
      // The certificate is mounted from a secret, so here another file stands for it.
      const certificate = map!.data!['meanstream.yaml']!.includes('ssl.ca.file');
      const flags = certificate ? [`ssl.ca.file=${import.meta.filename}`] : [];
      const { values } = loadSettings({ file, environment, flags });
      expect(values).toMatchObject({
        'http.host': '0.0.0.0',
        'http.port': 8080,
        'metrics.port': 9464,
      });
      const state = containerOf('StatefulSet meanstream-processor').volumeMounts.at(2)!;
      expect(state.name).toBe('state');
      expect(values['state.dir'].startsWith(`${state.mountPath}/`)).toBe(true);
    });

    it('keep the state of a processor on its own volume', () => {
      const { spec } = one('StatefulSet', 'meanstream-processor');
      expect(spec.volumeClaimTemplates).toMatchObject([
        { metadata: { name: 'state' }, spec: { accessModes: ['ReadWriteOnce'] } },
      ]);
      expect(one('Service', spec.serviceName as string).spec.clusterIP).toBe('None');
    });

    it('leave pods more time to stop than a drain may take', () => {
      for (const { pod } of pods) expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(25 + 5);
    });

    it('ask for a retrain where somebody serves, and only there', () => {
      const { env } = containerOf('StatefulSet meanstream-processor');
      const asked = env.find(({ name }) => name === 'MEANSTREAM_RETRAIN_SCHEDULE')?.value;
      expect(asked).toBe(retrain === 'served' ? '0 3 * * *' : undefined);
      const flags = path.endsWith('production') ? [`ssl.ca.file=${import.meta.filename}`] : [];
      const environment = {
        MEANSTREAM_SASL_PASSWORD: 'from the secret',
        ...(asked !== undefined && { MEANSTREAM_RETRAIN_SCHEDULE: asked }),
      };
      const file = join(folder, path, 'meanstream.yaml');
      const { values } = loadSettings({ file, environment, flags });
      expect(values['retrain.schedule']).toBe(asked ?? 'never');
    });

    if (retrain === 'nightly') {
      it('never run two retrains at once', () => {
        const { spec } = one('CronJob', 'meanstream-retrain');
        expect(spec.concurrencyPolicy).toBe('Forbid');
        expect(spec.jobTemplate).toMatchObject({ spec: { backoffLimit: 2 } });
      });

      it('let an indexed Job work for the retrain at its hour, on nodes that may be taken away', () => {
        const coordinator = one('CronJob', 'meanstream-retrain').spec;
        const { schedule, jobTemplate } = one('CronJob', 'meanstream-retrain-workers').spec;
        expect(schedule).toBe(coordinator.schedule);
        const { spec } = jobTemplate as { spec: Record<string, Json> };
        expect(spec.completionMode).toBe('Indexed');
        expect(spec.completions).toBe(spec.parallelism);
        expect(spec.podFailurePolicy).toMatchObject({ rules: [{ action: 'Ignore' }] });
      });
    }

    it('give a retrain folders that it may write to, where the settings say', () => {
      const { values } = loadSettings({
        file: join(folder, path, 'meanstream.yaml'),
        environment: { MEANSTREAM_SASL_PASSWORD: 'from the secret' },
        flags: path.endsWith('production') ? [`ssl.ca.file=${import.meta.filename}`] : [],
      });
      const paths = (name: string) => containerOf(name).volumeMounts.map((each) => each.mountPath);
      for (const name of [runner, workers]) expect(paths(name)).toContain(values['retrain.dir']);
    });

    it('keep artifacts where every pod that runs retrains finds them', () => {
      const { env, envFrom, volumeMounts } = containerOf(runner);
      const location = env.find(({ name }) => name === 'MEANSTREAM_ARTIFACTS_LOCATION')!.value;
      const { volumes } = pods.find(({ name }) => name === runner)!.pod;
      const claimed = volumes.find(({ name }) => name === 'artifacts')?.persistentVolumeClaim;
      if (artifacts === 's3') {
        expect(location).toMatch(/^s3:/);
        expect(envFrom).toEqual([{ secretRef: { name: 'meanstream-s3' } }]);
        expect(claimed).toBeUndefined();
        return;
      }
      expect(volumeMounts).toContainEqual({ name: 'artifacts', mountPath: location });
      const claim = one('PersistentVolumeClaim', claimed!.claimName);
      const mode = path === 'overlays/local' ? 'ReadWriteOnce' : 'ReadWriteMany';
      expect(claim.spec.accessModes).toEqual([mode]);
    });

    it('take one pod of a kind away at a time', () => {
      for (const name of ['meanstream-processor', 'meanstream-gateway']) {
        expect(one('PodDisruptionBudget', name).spec.maxUnavailable).toBe(1);
      }
    });

    it('select with every Service and budget the pods that are there', () => {
      for (const { kind, metadata, spec } of resources) {
        if (kind !== 'Service' && kind !== 'PodDisruptionBudget') continue;
        const selector = spec.selector as Record<string, unknown>;
        const component = metadata.name.replace('meanstream-', '');
        expect(selector.matchLabels ?? selector).toEqual({
          'app.kubernetes.io/name': 'meanstream',
          'app.kubernetes.io/component': component,
        });
      }
    });

    it('deny all traffic but DNS, Kafka, the bucket, the gateway and the metrics', () => {
      const policies = resources.filter(({ kind }) => kind === 'NetworkPolicy');
      expect(policies.map(({ metadata }) => metadata.name).sort()).toEqual([
        'default-deny',
        ...(artifacts === 's3' ? ['egress-artifacts'] : []),
        'egress-dns',
        'egress-kafka',
        'ingress-gateway',
        'ingress-metrics',
      ]);
      expect(one('NetworkPolicy', 'default-deny').spec).toEqual({
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
      });
    });

    it('name an image with a version', () => {
      for (const { pod } of pods) {
        const { image } = pod.containers[0]!;
        if (path === 'base') expect(image).toBe('meanstream');
        else expect(image).toMatch(/:(dev|\d+\.\d+\.\d+)$/);
      }
    });
  },
);

describe('the image', () => {
  const dockerfile = readFileSync(join(folder, '../Dockerfile'), 'utf8');

  it('installs exactly the lockfile, without running anybody’s scripts', () => {
    const installs = dockerfile.match(/npm (ci|install|i)\b.*/g)!;
    expect(installs).toEqual(['npm ci --ignore-scripts', 'npm ci --omit=dev --ignore-scripts']);
  });

  it('runs node itself, as the user the manifests name', () => {
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "dist\/bin\/meanstream.js"\]$/m);
    expect(dockerfile).toMatch(/^USER 10001:10001$/m);
    expect(dockerfile).toMatch(/^WORKDIR \/app$/m);
  });
});

// The thread of thread-team.ts that sees when another one of the team dies.

import { workerData } from 'node:worker_threads';
import { type TeamWatch, watch } from './thread-team.ts';

watch(workerData as TeamWatch);

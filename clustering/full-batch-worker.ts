// The worker thread of thread-team.ts.

import { workerData } from 'node:worker_threads';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { referenceKernels } from './kernels/reference.ts';
import { serve, type TeamMember } from './thread-team.ts';

const member = workerData as TeamMember;
const { kernels } = chooseKernels();
// All sets give the same bits; the plain one is used where it was asked for.
serve(member, member.layout === referenceKernels.layout ? referenceKernels : kernels);

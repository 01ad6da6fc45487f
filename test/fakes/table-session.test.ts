import { describeSession } from '../conformance/session.ts';
import { createTableSession } from './table-session.ts';

describeSession('of the table', () => createTableSession({ vocabSize: 96, contextLength: 200 }));

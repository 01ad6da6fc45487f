/** Property tests draw the same cases in every run: a run that fails, fails again. */
import fc from 'fast-check';

fc.configureGlobal({ seed: 20261125 });

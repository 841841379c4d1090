import fc from 'fast-check';

// A merge is judged on the same cases every time; whoever works here draws new ones with each run.
if (process.env['CI'] !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 20_26 });

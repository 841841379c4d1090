// The checker's public face.

export { checkModule, showModuleCheck, type CheckOptions, type ModuleCheck } from './check-module.ts';
export { explore, strategies, type Exploration, type ExploreOptions, type Strategy } from './explore.ts';
export { isLinearizable, type HistoryEvent, type SequentialModel } from './linearizability.ts';
export { loadScenarios, scenarioNamed, type CheckedScenario } from './load.ts';
export { RefusedError } from './operation.ts';
export { showExploration, showStory } from './report.ts';
export { pause, scenario, stamp, type OutcomeTable, type Scenario } from './scenario.ts';
export type { Story, StoryStep } from './story.ts';

/** Told apart with every kind of colour blindness; source: seaborn's `colorblind` palette, after Wong 2011. */
const PALETTE = ['#0173b2', '#de8f05', '#029e73', '#cc78bc', '#56b4e9', '#ca9161', '#8c7ae6', '#b8a800'];

/** The colour of the vcoproc at `place` in the report. */
export const colourOf = (place: number): string => PALETTE[place % PALETTE.length]!;

export const FAULT_COLOUR = '#c1121f';
export const SWITCH_COLOUR = '#6b7280';

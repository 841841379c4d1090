/** Told apart with every kind of colour blindness; source: seaborn's `colorblind` palette, after Wong 2011. */
const PALETTE = ['#0173b2', '#de8f05', '#029e73', '#cc78bc', '#56b4e9', '#ca9161', '#8c7ae6', '#b8a800'];

/** The colour of the vcoproc at `place` in the report. */
export const colourOf = (place: number): string => PALETTE[place % PALETTE.length]!;

export const FAULT_COLOUR = '#c1121f';
export const SWITCH_COLOUR = '#6b7280';

/** Black or white, whichever reads better on `colour`; source: relative luminance of WCAG 2.2. */
export function inkOn(colour: string): '#000' | '#fff' {
  const [red, green, blue] = [1, 3, 5].map((place) => {
    const part = Number.parseInt(colour.slice(place, place + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue! > 0.179 ? '#000' : '#fff';
}

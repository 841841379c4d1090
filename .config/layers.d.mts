/** Rooms by level, lowest first. */
export const levels: readonly (readonly string[])[];

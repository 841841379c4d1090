/** Builds a snapshot from the figures of a report so far; rates come from the snapshot before. */
export function liveSnapshot(at, figures, now, before) {
  const seconds = (at - (before?.at ?? 0)) / 1e9;
  const coprocs = figures.coprocs.map((coproc) => {
    const earlier = before?.coprocs.find(({ figures: { id } }) => id === coproc.id)?.figures.switches ?? 0;
    const { state, owner, sliceLeft } = now(coproc);
    const switchesPerSecond = seconds > 0 ? (coproc.switches - earlier) / seconds : 0;
    return { figures: coproc, state, owner, sliceLeft, switchesPerSecond };
  });
  return { at, coprocs, vcoprocs: figures.vcoprocs };
}

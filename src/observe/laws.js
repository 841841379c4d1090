/**
 * The laws that a run's figures must obey, checked exactly; gives those that do not hold, in words.
 * Source: every command completes exactly once, no interrupt is lost, all time is accounted for.
 */
export function checkLaws(report) {
  return [
    ...repeated(
      'coprocessor',
      report.coprocs.map((coproc) => coproc.id),
    ),
    ...repeated(
      'vcoproc',
      report.vcoprocs.map((vcoproc) => vcoproc.id),
    ),
    ...repeated(
      'domain',
      report.domains.map((domain) => domain.name),
    ),
    ...report.coprocs.flatMap((coproc) => [...timeLaws(coproc), ...sharedTimeLaws(coproc, report.vcoprocs)]),
    ...report.vcoprocs.flatMap((vcoproc) => [...countLaws(vcoproc), ...belongingLaws(vcoproc, report)]),
  ];
}
function repeated(what, names) {
  const twice = new Set(names.filter((name, place) => names.indexOf(name) !== place));
  return [...twice].map((name) => `${what} ${name} is reported more than once`);
}
function timeLaws(coproc) {
  const { id, running, switching, idle, faulted, wall } = coproc;
  const laws = Object.entries({ running, switching, idle, faulted, wall })
    .filter(([, length]) => !isCount(length))
    .map(([name, length]) => `${id}: ${name} time is ${length}, not a whole number of nanoseconds from 0 up`);
  const total = running + switching + idle + faulted;
  if (total !== wall) {
    laws.push(
      `${id}: running ${running} + switching ${switching} + idle ${idle} + faulted ${faulted} = ${total} ns, ` +
        `but wall is ${wall} ns`,
    );
  }
  return laws;
}
function sharedTimeLaws(coproc, vcoprocs) {
  const had = vcoprocs
    .filter((vcoproc) => vcoproc.coproc === coproc.id)
    .reduce((total, vcoproc) => total + vcoproc.time, 0);
  return had <= coproc.wall ? [] : [`${coproc.id}: its vcoprocs had it for ${had} ns of ${coproc.wall} ns`];
}
function countLaws({ id, commands, interrupts }) {
  const laws = Object.entries({ ...commands, ...interrupts })
    .filter(([, count]) => !isCount(count))
    .map(([name, count]) => `${id}: ${name} is ${count}, not a count`);
  const completed = commands.ok + commands.failed + commands.cancelled;
  if (completed !== commands.submitted) {
    laws.push(
      `${id}: commands ok ${commands.ok} + failed ${commands.failed} + cancelled ${commands.cancelled} ` +
        `= ${completed}, but ${commands.submitted} were submitted`,
    );
  }
  const accounted = interrupts.delivered + interrupts.pending + interrupts.dropped;
  if (accounted !== interrupts.raised) {
    laws.push(
      `${id}: interrupts delivered ${interrupts.delivered} + pending ${interrupts.pending} + dropped ` +
        `${interrupts.dropped} = ${accounted}, but ${interrupts.raised} were raised`,
    );
  }
  return laws;
}
function belongingLaws({ id, domain, coproc }, report) {
  const laws = [];
  if (!report.domains.some(({ name }) => name === domain)) {
    laws.push(`${id}: its domain ${domain} is not in the report`);
  }
  if (!report.coprocs.some((known) => known.id === coproc)) {
    laws.push(`${id}: its coprocessor ${coproc} is not in the report`);
  }
  return laws;
}
function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

import { join } from 'node:path';
import { messageOf } from '../../base/said.ts';
import type { CrashDump, RecordedDump } from '../../contract/crash-dump.ts';
import type { TraceSink } from '../../contract/events.ts';
import { blackBox } from '../../observe/black-box.ts';
import { dumpName, makeFolder } from '../files.ts';
import { writeWhole } from '../sealed-file.ts';
import { version } from '../version.ts';
import { sealDump } from './record.ts';

/** Events that a dump has of its coprocessor. */
const EVENTS = 64;
/** Dumps of one system. Whoever crashes in a loop fills no disk and costs nobody time. */
const MOST_DUMPS = 16;

/** Writes a dump into a folder. What cannot be written costs a line, not the system. */
export function keepDump(folder: string, name: string, content: () => Buffer): string {
  const path = join(folder, name);
  try {
    makeFolder(folder);
    writeWhole(path, content());
    return path;
  } catch (error) {
    return `${path}, which cannot be written: ${messageOf(error)}`;
  }
}

/** Makes files of what crashes leave behind. */
export class DumpKeeper {
  readonly #box = blackBox(EVENTS);
  readonly #trace: TraceSink;
  readonly #keep: (name: string, content: () => Buffer) => string;
  #count = 0;

  /** `keep` gets the name of each file and says where it is; `trace` is told. Its content may be asked for later. */
  constructor(trace: TraceSink, keep: (name: string, content: () => Buffer) => string) {
    this.#trace = trace;
    this.#keep = keep;
  }

  /** Must see every event. */
  readonly sink: TraceSink = (event) => this.#box.sink(event);

  /** For the hypervisor, which calls it at the moment of the crash. */
  readonly crashed = (dump: () => CrashDump): void => {
    if (this.#count >= MOST_DUMPS) return;
    const crash = dump();
    const file = this.#keep(dumpName(crash.coproc.id, ++this.#count), this.seal(crash));
    const { at, coproc, context } = crash;
    this.#trace({ at, kind: 'dump', coproc: coproc.id, vcoproc: context?.vcoproc ?? null, file });
  };

  /** The file of a dump, with the last events until now. */
  seal(crash: CrashDump): () => Buffer {
    const recorded: RecordedDump = { covisor: version(), ...crash, events: this.#box.of(crash.coproc.id) };
    return () => sealDump(recorded);
  }
}

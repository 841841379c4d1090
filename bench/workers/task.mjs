// What every peer's worker does with a command: nothing, and it says so.
export default function task(command) {
  return command;
}

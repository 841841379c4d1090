// The entry of every pool: `task.entry` is the URL of the module that does the work. As in boot.mjs, TypeScript
// is loaded by way of JavaScript, and tsx only where it is needed.
let registered = false;

export default async function (task) {
  if (task.entry.endsWith('.ts') && !registered) {
    registered = true;
    // Both: a guest below no package.json with "type": "module" is loaded as CommonJS.
    (await import('tsx/cjs/api')).register();
    (await import('tsx/esm/api')).register();
  }
  const { default: run } = await import(task.entry);
  return run(task);
}

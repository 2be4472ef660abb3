// Prints what the test command counts.
export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  for await (const { type, data } of events) {
    if (data?.details?.type === "suite") continue;
    if (type === "test:pass") {
      passed++;
      yield `test ${data.name} ... ok\n`;
    } else if (type === "test:fail") {
      failed++;
      yield `test ${data.name} ... FAILED\n${data.details.error.stack ?? data.details.error}\n`;
    }
  }
  yield `test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; 0 ignored\n`;
}

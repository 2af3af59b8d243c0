// How a script talks with the test that started it: a line each way, and an end when the test ends.
import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin });
const waiting = [];
const heard = [];
lines.on('line', (line) => {
  const next = waiting.shift();
  next ? next(line) : heard.push(line);
});
// The test is gone, however it went: so is this, and the browser with it.
lines.on('close', () => process.exit(3));

/** What the script was started with. */
export const argument = JSON.parse(process.argv[2] ?? 'null');

/** Tells the test something. */
export const tell = (value) => console.log(JSON.stringify(value));

/** The next thing that the test says. */
export const hear = async () => JSON.parse(heard.shift() ?? (await new Promise((resolve) => waiting.push(resolve))));

/** Ends the script as the steps end: 0, or 1 and the reason. */
export async function run(steps) {
  try {
    await steps();
    process.exit(0);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

// Debian's Chromium, driven: one page, what it said kept, a picture of it when a step fails.
import { join } from 'node:path';
import { chromium } from 'playwright-core';

// As quiet as it gets: nothing but the pages of the test is asked for.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--ignore-certificate-errors',
];

/** Runs the steps on a new page of a new profile. */
export async function inChromium(name, steps) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args }).catch((error) => {
    throw new Error(`chromium does not start; scripts/needs installs it: ${error.message}`);
  });
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  const said = [];
  page.on('console', (message) => said.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => said.push(`error: ${error.message}`));
  page.on('requestfailed', (request) => said.push(`failed: ${request.method()} ${request.url().split('?')[0]} ${request.failure()?.errorText}`));
  page.on('response', (answer) => said.push(`${answer.status()} ${answer.request().method()} ${answer.url().split('?')[0]}`));
  try {
    await steps(page);
  } catch (error) {
    const picture = join(process.env.SCREENSHOTS ?? '.', `${name}.png`);
    await page.screenshot({ path: picture }).catch(() => {});
    const text = await page.locator('body').innerText({ timeout: 1000 }).catch(() => '');
    console.error(`${said.join('\n')}\nat ${page.url()}\n${text.slice(0, 1000)}\nits picture: ${picture}`);
    throw error;
  } finally {
    await browser.close();
  }
}

/** Fills the login page of the emulated Auth0. */
export async function logIn(page, { username, password }) {
  await page.locator('input[name=username]').fill(username);
  await page.locator('input[name=password]').fill(password);
  await page.locator('button').click();
}

/** The JSON that stands in the window. */
export const shown = async (page) => JSON.parse(await page.locator('body').innerText());

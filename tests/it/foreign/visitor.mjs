// A visitor without a browser: follows redirects and keeps cookies, a jar for each host.
const jars = new Map();

/** One request with the cookies of its host; redirects are not followed. */
export async function visit(url, options = {}) {
  const jar = jars.get(url.hostname) ?? new Map();
  jars.set(url.hostname, jar);
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
  const headers = { ...options.headers, ...(cookie && { cookie }) };
  const answer = await fetch(url, { ...options, redirect: 'manual', headers });
  for (const set of answer.headers.getSetCookie()) {
    const [name, value] = set.split(';')[0].split(/=(.*)/s);
    /max-age=0|expires=thu, 01 jan 1970/i.test(set) ? jar.delete(name) : jar.set(name, value);
  }
  return answer;
}

/** Follows redirects from `url` until one leads to an address that starts with `end`, and gives that address. */
export async function follow(url, end) {
  const seen = [];
  for (let at = new URL(url); seen.length < 20; ) {
    if (at.href.startsWith(end)) return at;
    const answer = await visit(at);
    const next = answer.headers.get('location');
    seen.push(`${answer.status} ${at.href.slice(0, 120)}`);
    if (!next) throw new Error(`${seen.join('\n')}\n${(await answer.text()).slice(0, 500)}`);
    at = new URL(next, at);
  }
  throw new Error(`round and round:\n${seen.join('\n')}`);
}

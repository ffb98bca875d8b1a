// The states of all jobs as they travel: "e10fe3" is ten times e, one f, three times e.

export function decoded(runs, jobs) {
  const codes = new Uint8Array(jobs);
  let at = 0;
  for (const [, letter, count] of runs.matchAll(/([a-z])(\d*)/g)) {
    const next = at + (count ? Number(count) : 1);
    codes.fill(letter.charCodeAt(0) - 97, at, next);
    at = next;
  }
  if (at !== jobs) throw new Error(`${at} states of ${jobs} jobs`);
  return codes;
}

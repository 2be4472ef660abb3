// Answers a challenge where it holds nothing up: a worker gets one, solves it, and trades the answer for
// a proof. It begins before the sale does, so that nobody has to solve anything in the rush.

import { type Challenge, firstKind, timeLock, work } from "../client/src/challenge";

type Ask = (body: Record<string, unknown>) => Promise<any>;

async function prove(ask: Ask, level: number): Promise<{ proof: string; until: string }> {
  const told = (part: number): void => postMessage({ part });
  let given: Challenge = await ask({ kind: firstKind(), level });
  let answer = given.kind === "time_lock" ? timeLock(given, told) : work(given, told);
  if (answer === undefined) {
    given = await ask({ kind: "work", level });
    answer = work(given, told);
  }
  const { proof } = await ask({ challenge: given.challenge, answer });
  return { proof, until: given.until };
}

onmessage = async ({ data: { campaign, level } }) => {
  const ask: Ask = async (body) => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`/v1/campaigns/${campaign}/challenges`, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };
  try {
    postMessage(await prove(ask, level));
  } catch {
    postMessage({ failed: true });
  }
};

// How a request gets there: `fetch` in a browser or on a server, `wx.request` in a mini program.

/** A request, whole. */
export interface Sent {
  method: "GET" | "POST" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: string;
}

/** An answer, whole. Names of headers are in lower case. */
export interface Answered {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** Sends one request. Fails only where no answer came. */
export type Transport = (sent: Sent) => Promise<Answered>;

/** Send with `fetch`; cookies go along to the page's own origin. */
export const fetchTransport = (send: typeof fetch = fetch): Transport => async ({ method, url, headers, body }) => {
  const answer = await send(url, { method, headers, body, cache: "no-store" });
  const named: Record<string, string> = {};
  answer.headers.forEach((value, name) => (named[name.toLowerCase()] = value));
  return { status: answer.status, headers: named, body: await answer.text() };
};

/** What is used of `wx.request`, `my.request`, `tt.request` and their like. */
export type MiniRequest = (options: {
  url: string;
  method: string;
  header: Record<string, string>;
  data?: string;
  dataType: string;
  responseType: string;
  success(answer: { statusCode: number; data: unknown; header: Record<string, unknown> }): void;
  fail(error: { errMsg?: string }): void;
}) => unknown;

/** Send with a mini program's own request: `miniTransport(wx.request)`. */
export const miniTransport = (request: MiniRequest): Transport => ({ method, url, headers, body }) =>
  new Promise((done, fail) => {
    request({
      url,
      method,
      header: headers,
      data: body,
      // Any other word than "json" leaves the answer as it is; the client reads it itself.
      dataType: "text",
      responseType: "text",
      success({ statusCode, data, header }) {
        const named: Record<string, string> = {};
        // Devices differ in how they write the names.
        for (const [name, value] of Object.entries(header ?? {})) named[name.toLowerCase()] = String(value);
        done({ status: statusCode, headers: named, body: typeof data === "string" ? data : JSON.stringify(data) });
      },
      fail: ({ errMsg }) => fail(new Error(errMsg ?? "no answer")),
    });
  });

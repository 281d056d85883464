// Requests to the server about one session. Errors are sentences in the language of the page.

const TOO_LARGE = 413;

// status: of HTTP, or 0 if the server did not answer. sentence: () -> what is wrong, in the language of the page.
export class ApiError extends Error {
  constructor(status, sentence) {
    super(sentence());
    Object.assign(this, { status, sentence });
  }
}

// root: the address of the page, without a slash at its end. language: returns "en" or "zh".
// offline: returns the sentence for a server that cannot be reached.
export function createApi(root, language, offline) {
  const urlOf = (path) => `${root}/${path}`;

  async function send(method, path, body, options = {}) {
    const headers = { "Accept-Language": language() };
    if (body !== undefined && !options.raw) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(urlOf(path), {
        method, headers, body: body === undefined || options.raw ? body : JSON.stringify(body), signal: options.signal,
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError(0, offline);
    }
    const content = response.status === 204 ? null : await response.json().catch(() => null);
    if (!response.ok) throw errorOf(response.status, content);
    return content;
  }

  // An answer without a sentence is not of this program: a proxy says so that the server is away, or that a body is too large.
  function errorOf(status, content) {
    const sentence = content?.detail ?? content?.error?.message;
    if (typeof sentence === "string") return new ApiError(status, () => content.sentences?.[language()] ?? sentence);
    return new ApiError(status === TOO_LARGE ? status : 0, offline);
  }

  return {
    urlOf,
    get: (path, options) => send("GET", path, undefined, options),
    post: (path, body, options) => send("POST", path, body, options),
    delete: (path) => send("DELETE", path),
  };
}

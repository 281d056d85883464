// Requests to the server about one session. Errors are sentences in the language of the page.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
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
      throw new ApiError(0, offline());
    }
    const content = response.status === 204 ? null : await response.json().catch(() => null);
    if (!response.ok) throw new ApiError(response.status, content?.detail ?? offline());
    return content;
  }

  return {
    urlOf,
    get: (path) => send("GET", path),
    post: (path, body, options) => send("POST", path, body, options),
    delete: (path) => send("DELETE", path),
  };
}

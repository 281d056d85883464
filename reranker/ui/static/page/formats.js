// Numbers, sizes and dates as people read them in the language of the page.

const LOCALES = { en: "en", zh: "zh-CN" };
const localeOf = (language) => LOCALES[language] ?? language;

export const countText = (count, language) => count.toLocaleString(localeOf(language));

export const secondsText = (seconds, language) =>
  seconds.toLocaleString(localeOf(language), { maximumFractionDigits: seconds < 100 ? 1 : 0 });

export function bytesText(bytes) {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

// taken: the local time of the camera, without a time zone.
export const takenText = (taken, language) =>
  new Date(taken).toLocaleString(localeOf(language), { dateStyle: "medium", timeStyle: "short" });

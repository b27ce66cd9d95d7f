/** The URL when it may be followed: http, https or a path of this site. Anything else, `javascript:` first, is none. */
export function safeUrl(url: string | undefined): string | undefined {
  if (!url || !URL.canParse(url, location.href)) return undefined;
  return /^https?:$/.test(new URL(url, location.href).protocol) ? url : undefined;
}

/** The address of a picture, when it may be loaded: like a link, or a picture in a data URL. */
export function safeImage(url: string | undefined): string | undefined {
  return url?.startsWith("data:image/") ? url : safeUrl(url);
}

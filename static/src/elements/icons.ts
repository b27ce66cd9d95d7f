/** Icons on a 24-unit grid, drawn with lines of 1.8. Each is a list of paths. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  bell: ["M6 10a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 15 6 10", "M10 20a2.2 2.2 0 0 0 4 0"],
  info: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17", "M12 11.5v5", "M12 7.8v.1"],
  message: ["M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-4.5 3.5V17H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2", "M8 9.5h8", "M8 12.8h5"],
  comment: ["M12 4c5 0 8.5 3.2 8.5 7.2s-3.5 7.2-8.5 7.2c-1 0-2-.1-2.9-.4L4.5 20l1-3.8A6.8 6.8 0 0 1 3.5 11.2C3.5 7.2 7 4 12 4"],
  heart: ["M12 20s-8-4.7-8-10.3A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 8 2.7C20 15.3 12 20 12 20"],
  person: ["M12 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8", "M4.5 20c.6-3.6 3.5-5.5 7.5-5.5s6.9 1.9 7.5 5.5"],
  shield: ["M12 3l7.5 2.8v5.7c0 4.6-3 7.9-7.5 9.5c-4.5-1.6-7.5-4.9-7.5-9.5V5.8z", "M9 12l2.2 2.2L15.2 10"],
  megaphone: ["M4 10v4h3l9 4.5v-13L7 10z", "M7.5 14.5l1 5h2.7l-1-3.8", "M19.2 9.5a4 4 0 0 1 0 5"],
  tag: ["M4 4h8l8.3 8.3a1.5 1.5 0 0 1 0 2.1l-5.9 5.9a1.5 1.5 0 0 1-2.1 0L4 12z", "M8.3 8.3v.1"],
  calendar: ["M4.5 6h15v14h-15z", "M4.5 10.5h15", "M8.5 3.5V7", "M15.5 3.5V7"],
  clock: ["M12 3.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17", "M12 7.5V12l3 2"],
  at: ["M12 8.2a3.8 3.8 0 1 0 0 7.6a3.8 3.8 0 1 0 0-7.6", "M15.8 8.5v4.8c0 3.5 4.7 2.7 4.7-1.3a8.5 8.5 0 1 0-3.7 7"],
  warning: ["M12 4l9 15.5H3z", "M12 10v4.5", "M12 17v.1"],
  alert: ["M12 4.5v10", "M12 19v.2"],
  box: ["M12 3.5l8 4.2v8.6l-8 4.2l-8-4.2V7.7z", "M4 7.7l8 4.3l8-4.3", "M12 12v8.5"],
  server: ["M4 5h16v6H4z", "M4 13h16v6H4z", "M7.5 8v.1", "M7.5 16v.1"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  checks: ["M2.5 12.5l4.5 4.5L16 7.5", "M11.5 15.8l1.3 1.2L22 7.5"],
  dot: ["M12 9a3 3 0 1 0 0 6a3 3 0 1 0 0-6"],
  close: ["M6.5 6.5l11 11", "M17.5 6.5l-11 11"],
  trash: ["M4.5 7h15", "M9.5 7V4.5h5V7", "M6.5 7l.9 12.5h9.2L17.5 7", "M10.3 11v5", "M13.7 11v5"],
  settings: ["M4 7h9", "M17.5 7H20", "M15.2 4.8a2.2 2.2 0 1 0 0 4.4a2.2 2.2 0 1 0 0-4.4", "M4 17h2.5", "M11 17h9", "M8.8 14.8a2.2 2.2 0 1 0 0 4.4a2.2 2.2 0 1 0 0-4.4"],
  back: ["M14.5 5.5L8 12l6.5 6.5"],
  plus: ["M12 5.5v13", "M5.5 12h13"],
  pause: ["M9 6v12", "M15 6v12"],
  lock: ["M6 11h12v8.5H6z", "M8.5 11V8a3.5 3.5 0 0 1 7 0v3"],
  screen: ["M3.5 5h17v11h-17z", "M9 20h6", "M12 16v4"],
  phone: ["M7.5 3h9v18h-9z", "M11 17.8h2"],
  offline: ["M3 3l18 18", "M8.5 6.5A6 6 0 0 1 18 10a4 4 0 0 1 2.5 6.5", "M6.3 8.5A5 5 0 0 0 7 18h9"],
};

const SVG = "http://www.w3.org/2000/svg";

/** A decorative picture; an unknown name gives the "info" one. */
export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const d of PATHS[name] ?? PATHS["info"]!) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

/** The ways to the server for networks without WebSockets. */
export { pollLink } from "./poll.ts";
export { sseLink } from "./sse.ts";

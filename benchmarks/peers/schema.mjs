// What a notification may be: the fields, lengths and limits of Notifier's own schema.
import { Ajv } from "ajv";

const CONTROL = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202d\\u202e\\ud800-\\udfff";
const CONTROL_BUT_LINES =
  "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202d\\u202e\\ud800-\\udfff";
const NAME = "[^\\s\\p{C}]{1,128}";

const audience = { type: "string", pattern: `^(everyone|(user|role|topic):${NAME})$` };
const url = { type: "string", minLength: 1, maxLength: 2048, format: "link" };

function text(maxLength, control = CONTROL) {
  // Something must be seen, nothing may be hidden.
  const pattern = `^[^${control}]*[^\\s${control}][^${control}]*$`;
  return { type: "string", minLength: 1, maxLength, pattern };
}

function object(properties, required = []) {
  return { type: "object", properties, required, additionalProperties: false };
}

function optional(schema) {
  return { ...schema, nullable: true };
}

const sender = object({
  id: { type: "string", pattern: `^${NAME}$` },
  name: text(100),
  avatar: url,
});

const notification = object(
  {
    to: {
      anyOf: [audience, { type: "array", items: audience, minItems: 1, maxItems: 10_000 }],
    },
    title: text(200),
    type: {
      enum: [
        ...["info", "message", "friend_request", "like", "comment", "mention", "order"],
        ...["system_alert", "security_alert", "marketing", "announcement"],
      ],
    },
    priority: { enum: ["low", "normal", "high", "critical"] },
    body: optional(text(2000, CONTROL_BUT_LINES)),
    sender: optional(sender),
    icon: optional({ type: "string", pattern: "^[a-z][a-z0-9-]{0,31}$" }),
    url: optional(url),
    data: optional({ type: "object", maxBytes: 4096, maxDepth: 16 }),
    actions: optional({
      type: "array",
      items: object({ label: text(40), url }, ["label", "url"]),
      maxItems: 3,
    }),
    ttl: optional({ type: "integer", minimum: 1, maximum: 366 * 86_400 }),
    collapse_key: optional(text(128)),
    except: {
      anyOf: [audience, { type: "array", items: audience, maxItems: 1_000 }],
    },
  },
  ["to", "title"],
);

function isLink(value) {
  if (value.startsWith("/")) return !/^\/\/|[\\ \p{Cc}]/u.test(value);
  const parsed = URL.parse(value);
  return /^https?:$/.test(parsed?.protocol) && !parsed.username && !/[\\ \p{Cc}]/u.test(value);
}

function isNestedAtMost(depth, value) {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isNestedAtMost(depth - 1, inner));
}

const ajv = new Ajv();
ajv.addFormat("link", isLink);
ajv.addKeyword({
  keyword: "maxBytes",
  validate: (most, value) => Buffer.byteLength(JSON.stringify(value)) <= most,
});
ajv.addKeyword({ keyword: "maxDepth", validate: isNestedAtMost });
const validate = ajv.compile(notification);

/** What is wrong with a notification, by the path of the field; null if nothing is. */
export function problemsOf(value) {
  if (validate(value)) return null;
  return Object.fromEntries(validate.errors.map((error) => [pathOf(error), [error.message]]));
}

function pathOf({ instancePath, params }) {
  const inner = params.additionalProperty ?? params.missingProperty;
  const path = instancePath.split("/").slice(1);
  return (inner === undefined ? path : [...path, inner]).join(".");
}

// Renders openapi.json. Everything from the document is text, never markup.

const METHODS = ["get", "post", "put", "patch", "delete"];
const NESTING = 3; // levels of an example; deeper ones are of no help to a reader

const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

/** Text in which `these` words are code. */
const prose = (text = "") =>
  text.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));

const resolver = (document_) => (schema = {}) =>
  schema.$ref ? document_.components.schemas[schema.$ref.split("/").pop()] : schema;

const nameOf = (schema) => schema.$ref?.split("/").pop();

function kindOf(schema) {
  if (schema.$ref) return nameOf(schema);
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return choice.map(kindOf).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  const kinds = [schema.type ?? "any"].flat();
  const named = kinds.map((kind) => (kind === "array" && schema.items ? `list of ${kindOf(schema.items)}` : kind));
  const bounds = [
    schema.maxLength && `up to ${schema.maxLength} characters`,
    schema.maximum !== undefined && `${schema.minimum ?? ""}–${schema.maximum}`,
    schema.maxItems && `up to ${schema.maxItems}`,
    schema.default !== undefined && schema.default !== null && `default ${schema.default}`,
  ].filter(Boolean);
  return [named.join(" or "), ...bounds].join(", ");
}

function fieldTable(rows) {
  const body = make("tbody");
  for (const { name, schema, required, description } of rows) {
    const title = make("td", {}, make("code", {}, name));
    if (required) title.append(make("span", { class: "required" }, "required"));
    title.append(make("span", { class: "kind" }, kindOf(schema)));
    body.append(make("tr", {}, title, make("td", {}, ...prose(description ?? schema.description))));
  }
  return make("table", {}, body);
}

const properties = (schema) =>
  Object.entries(schema.properties ?? {}).map(([name, inner]) => ({
    name,
    schema: inner,
    required: schema.required?.includes(name) ?? false,
  }));

function exampleOf(given, resolve, depth = 0) {
  const schema = resolve(given);
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum) return schema.enum[Math.min(1, schema.enum.length - 1)];
  const choice = schema.oneOf ?? schema.anyOf;
  if (choice) return exampleOf(choice[0], resolve, depth);
  const kind = [schema.type].flat()[0];
  if (kind === "object") {
    if (depth === NESTING) return {};
    return Object.fromEntries(
      Object.entries(schema.properties ?? {}).map(([name, inner]) => [name, exampleOf(inner, resolve, depth + 1)]),
    );
  }
  if (kind === "array") return depth === NESTING ? [] : [exampleOf(schema.items, resolve, depth + 1)];
  const samples = {
    integer: schema.minimum ?? 1,
    boolean: true,
    "date-time": "2026-01-31T08:00:00.000Z",
    uuid: "01947f3e-8a6c-7bd1-9c55-0242ac120002",
  };
  return samples[schema.format] ?? samples[kind] ?? "…";
}

const exampleBlock = (label, schema, resolve) =>
  make(
    "details",
    {},
    make("summary", {}, label),
    make("pre", { tabindex: "0" }, JSON.stringify(exampleOf(schema, resolve), null, 2)),
  );

function parametersOf(operation) {
  if (!operation.parameters?.length) return [];
  const rows = operation.parameters.map((parameter) => ({ ...parameter, schema: parameter.schema ?? {} }));
  return [make("h4", {}, "Parameters"), fieldTable(rows)];
}

function bodyOf(operation, resolve) {
  const schema = operation.requestBody?.content["application/json"].schema;
  if (!schema) return [];
  return [make("h4", {}, "Body"), fieldTable(properties(resolve(schema))), exampleBlock("Example", schema, resolve)];
}

function answersOf(operation, resolve) {
  const list = make("ul", { class: "answers" });
  for (const [status, answer] of Object.entries(operation.responses)) {
    if (answer.$ref) continue; // refusals are the same everywhere: see Errors
    const item = make("li", {}, make("code", {}, status), ` ${answer.description}`);
    const [content] = Object.values(answer.content ?? {});
    if (content && resolve(content.schema).properties) {
      item.append(fieldTable(properties(resolve(content.schema))), exampleBlock("Example", content.schema, resolve));
    }
    list.append(item);
  }
  return [make("h4", {}, "Answer"), list];
}

function callCard({ method, path, operation }, resolve) {
  const title = make(
    "h3",
    {},
    make("span", { class: `method ${method}` }, method.toUpperCase()),
    make("code", {}, path),
  );
  const note = operation.security ? "Needs a bearer token." : "Open to everybody.";
  return make(
    "article",
    { class: "call", id: operation.operationId },
    title,
    make("p", {}, operation.summary),
    make("p", { class: "note" }, note),
    ...parametersOf(operation),
    ...bodyOf(operation, resolve),
    ...answersOf(operation, resolve),
  );
}

function callsByTag(description) {
  const groups = new Map();
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((name) => name in operations)) {
      const operation = operations[method];
      const [tag] = operation.tags;
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation }]);
    }
  }
  return groups;
}

function navigationItem({ method, path, operation }) {
  const label = make("span", { class: `method ${method}` }, method.toUpperCase());
  return make("li", {}, make("a", { href: `#${operation.operationId}` }, label, path.replace("/v1", "")));
}

function render(description) {
  const resolve = resolver(description);
  const navigation = document.querySelector("nav");
  const main = document.querySelector("#calls");
  for (const [tag, calls] of callsByTag(description)) {
    navigation.append(make("h2", {}, tag), make("ul", {}, ...calls.map(navigationItem)));
    main.append(make("section", {}, make("h2", {}, tag), ...calls.map((call) => callCard(call, resolve))));
  }
  navigation.append(make("h2", {}, "Errors"), make("ul", {}, make("li", {}, make("a", { href: "#errors" }, "Codes"))));
  document.querySelector("#about").replaceChildren(...prose(description.info.description));
}

try {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  render(await answer.json());
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
} catch (error) {
  document.querySelector("#about").textContent = `The description could not be loaded (${error.message}).`;
}

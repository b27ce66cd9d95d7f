/** Building the page. Text is text. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

export function press(label: string, name: string, act: () => void): HTMLButtonElement {
  const button = make("button", name, label);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

/** Radio buttons in a row. */
export function choice(legend: string, name: string, options: readonly (readonly [string, string, ...unknown[]])[]) {
  const element = make("fieldset", "choice");
  const row = make("div", "row");
  for (const [index, [value, label]] of options.entries()) {
    const input = make("input");
    Object.assign(input, { type: "radio", name, value, defaultChecked: index === 0 });
    row.append(make("label", "", input, make("span", "", label)));
  }
  element.append(make("legend", "", legend), row);
  const value = () => element.querySelector<HTMLInputElement>("input:checked")?.value ?? "";
  return { element, value };
}

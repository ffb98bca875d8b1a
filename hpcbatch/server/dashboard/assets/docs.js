// The routes, as the OpenAPI document tells them.

function element(name, text = "", ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

function resolved(schema, all) {
  const name = schema.$ref?.split("/").pop();
  return name ? all[name] : schema;
}

function kind(schema, all) {
  const found = resolved(schema, all);
  const of = found.anyOf?.map((one) => kind(one, all)).join(" or ");
  const items = found.items ? ` of ${kind(found.items, all)}` : "";
  return of || `${found.type ?? "anything"}${items}`;
}

function fields(schema, all) {
  const found = resolved(schema, all);
  const rows = Object.entries(found.properties ?? {}).map(([name, one]) => {
    const must = found.required?.includes(name) ? "required" : "";
    return element("tr", "", element("td", "", element("code", name)), element("td", kind(one, all)),
      element("td", must), element("td", one.description ?? ""));
  });
  return element("table", "", element("tbody", "", ...rows));
}

function route(method, path, told, all) {
  const made = element("section", "", element("h2", `${method.toUpperCase()} ${path}`));
  if (told.description) made.append(element("p", told.description));
  const asked = Object.values(told.requestBody?.content ?? {})[0]?.schema;
  if (asked) made.append(fields(asked, all));
  if (told.parameters?.length) {
    const properties = Object.fromEntries(
      told.parameters.map((one) => [one.name, { ...one.schema, description: one.description }]));
    const required = told.parameters.filter((one) => one.required).map((one) => one.name);
    made.append(fields({ properties, required }, all));
  }
  return made;
}

const told = await (await fetch("/openapi.json")).json();
const main = document.getElementById("main");
for (const [path, methods] of Object.entries(told.paths)) {
  for (const [method, one] of Object.entries(methods)) {
    main.append(route(method, path, one, told.components.schemas));
  }
}

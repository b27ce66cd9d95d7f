/** For a compiler that knows nothing of Vue's single-file components. */
declare module "*.vue" {
  import type { Component } from "vue";
  const component: Component;
  export default component;
}

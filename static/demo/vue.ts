import "@notifier/client/elements";
import { createNotifierPlugin } from "@notifier/client/vue";
import { createApp } from "vue";
import { fetchToken } from "./application.ts";
import Inbox from "./Inbox.vue";

createApp(Inbox).use(createNotifierPlugin({ getToken: () => fetchToken() })).mount("#app");

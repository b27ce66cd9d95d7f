import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  // As for development, React alone is larger than the size that Vite warns of.
  build: { chunkSizeWarningLimit: 1000 },
});

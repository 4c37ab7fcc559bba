import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Many tests wait for timers and processes rather than compute: three at once keep two cores busy.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "examples/**/*.test.ts",
            "scripts/**/*.test.ts",
            "test/golden/**/*.test.ts",
          ],
          testTimeout: 20_000,
        },
      },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "load",
          include: ["test/load/**/*.test.ts"],
          // It measures, with both cores: nothing else runs beside it.
          fileParallelism: false,
          testTimeout: 180_000,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          // Real machines share two cores and one network: one file at a time.
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

import { configDefaults, defineConfig } from "vitest/config";

/** Tests that run the real load generator and judge what it measured: false alarms beside others. */
const measuring = ["test/load/**/*.test.ts", "src/drill/run.test.ts", "src/drill/loadgen/load.test.ts"];

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
          exclude: [...configDefaults.exclude, ...measuring],
          testTimeout: 20_000,
        },
      },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"], testTimeout: 60_000 } },
      {
        test: {
          name: "load",
          include: measuring,
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

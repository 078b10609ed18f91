/** Where PEERAGE_TEST_REPORT names a file, the results also go there as JSON, for the count of `.ci/run`. */
const file = process.env["PEERAGE_TEST_REPORT"];

export const reporters: { reporters?: string[]; outputFile?: { json: string } } = file
  ? { reporters: ["default", "json"], outputFile: { json: file } }
  : {};

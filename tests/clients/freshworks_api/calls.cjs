// Makes the calls given on stdin with the npm client, whose host is replaced; prints what each of them returned.
// stdin: {"base_url", "token", "calls": [[method, argument], ...]}; stdout: [{"returned"} or {"thrown", "status"}, ...].
const FreshWorksCrm = require("freshworks-api");

class Here extends FreshWorksCrm {
  constructor({ base_url, token }) {
    super({ authToken: `token=${token}`, freshworksSubdomain: "unused" });
    this.baseUrl = base_url;
  }

  get apiBaseUrl() {
    return `${this.baseUrl}/`;
  }
}

async function main() {
  const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = new Here(given);
  const outcomes = [];
  for (const [method, argument] of given.calls) {
    try {
      outcomes.push({ returned: (await client[method](argument)) ?? null });
    } catch (error) {
      outcomes.push({ thrown: error.name, status: error.response ? error.response.status : null });
    }
  }
  process.stdout.write(JSON.stringify(outcomes));
}

main();

// Answers as native solc does to the calls that ape-solidity (through py-solc-x) and forge make, with npm's WebAssembly
// build inside: `--version`, and `--standard-json [--base-path DIR]` with the input on stdin.
"use strict";
const fs = require("fs");
const path = require("path");

const NODE_MODULES = process.env.BALLAST_NODE_MODULES || path.join(__dirname, "..", "node_modules");

function loadCompiler() {
  return require(path.join(NODE_MODULES, "solc"));
}

function option(name, fallback) {
  const at = process.argv.indexOf(name);
  return at < 0 ? fallback : process.argv[at + 1];
}

function compileStandardJson() {
  const input = JSON.parse(fs.readFileSync(0, "utf8"));
  const base = option("--base-path", process.cwd());
  const contents = new Map();
  // The compiler copies its whole input onto a small stack: hand it the names and serve the texts one by one.
  for (const [name, source] of Object.entries(input.sources)) {
    if (source.content === undefined) continue;
    contents.set(name, source.content);
    input.sources[name] = { urls: [name] };
  }
  // The base path may be a copy of the checkout that leaves packages out.
  const locate = (name) =>
    name.startsWith("node_modules/") ? path.join(NODE_MODULES, name.slice(13)) : path.resolve(base, name);
  const readSource = (name) => {
    if (contents.has(name)) return { contents: contents.get(name) };
    try {
      return { contents: fs.readFileSync(locate(name), "utf8") };
    } catch (fault) {
      return { error: `${name}: ${fault.code}` };
    }
  };
  process.stdout.write(loadCompiler().compile(JSON.stringify(input), { import: readSource }));
}

if (process.argv.includes("--version")) {
  const version = loadCompiler().version().replace(/\.Emscripten.*$/, ".Linux.g++");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (process.argv.includes("--standard-json")) {
  compileStandardJson();
} else {
  process.stderr.write("only --version and --standard-json are served\n");
  process.exitCode = 2;
}

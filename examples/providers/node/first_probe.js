// Counts down and says so through a probe that did not exist when the program was written.
//
// node first_probe.js [COUNT [MILLISECONDS]]      (see stapsdt.c for how to compile the addon)
const { Provider, types } = require("./stapsdt.node");

const [count = 60, pause = 1000] = process.argv.slice(2).map(Number);

const provider = new Provider("testProvider");
const probe = provider.addProbe("firstProbe", types.uint64, types.uint64);
provider.load();
let left = count;
const timer = setInterval(() => {
  if (left-- === 0) {
    clearInterval(timer);
    provider.unload();
  } else if (probe.fire(() => [left, "My little probe"])) {
    console.log("Probe fired!");
  }
}, pause);

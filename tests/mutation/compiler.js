#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// A compiler that stays warm for hundreds of mutants, makes what tests need alone, by the quick generator and without the optimizer,
// and remembers what no mutant changed.
//   node compiler.js serve SOCKET        answers until its standard input closes
//   node compiler.js --standard-json     (as forge's `solc`) asks the one at $MUTATION_COMPILER; else scripts/solc
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const net = require('net');
const path = require('path');

const root = process.env.MUTATION_ROOT || path.join(__dirname, '..', '..');
// The WebAssembly heap only ever grows.
const LIMIT = 60;

function narrowed(text) {
  const input = JSON.parse(text);
  const wanted = input.settings.outputSelection;
  // Forge asks for metadata only to show it.
  for (const file of Object.keys(wanted)) {
    for (const name of Object.keys(wanted[file])) {
      wanted[file][name] = wanted[file][name].filter((what) => what !== 'metadata' && !/sourceMap/.test(what));
    }
  }
  input.settings.viaIR = false;
  input.settings.optimizer = { enabled: false };
  return JSON.stringify(input);
}

// What pytest's suites compile names only the sources of one folder: the others are looked for.
function lookUp(name) {
  for (const folder of [root, path.join(root, 'node_modules')]) {
    try {
      return fs.readFileSync(path.join(folder, name), 'utf8');
    } catch {
      // in the other one, or nowhere
    }
  }
  return null;
}

function serve(socket) {
  let solc = null;
  let used = LIMIT;
  const known = new Map(); // input -> its last answer, and what was read for it
  const compile = (text) => {
    const kept = known.get(text);
    if (kept && [...kept.reads].every(([name, read]) => lookUp(name) === read)) return kept.answer;
    const reads = new Map();
    const answer = compiled(text, (name) => {
      reads.set(name, lookUp(name));
      return reads.get(name) === null ? { error: `no ${name}` } : { contents: reads.get(name) };
    });
    // Without imports, all is in the input: forge's, another one for each mutant.
    if (reads.size) known.set(text, { reads, answer });
    return answer;
  };
  const compiled = (text, read) => {
    if (used++ >= LIMIT) {
      for (const name of Object.keys(require.cache)) if (name.includes('soljson')) delete require.cache[name];
      const folder = path.join(root, 'node_modules', 'solc');
      solc = require(path.join(folder, 'wrapper.js'))(require(path.join(fs.realpathSync(folder), 'soljson.js')));
      used = 1;
    }
    return solc.compile(text, { import: read });
  };
  process.removeAllListeners('uncaughtException');
  net
    .createServer({ allowHalfOpen: true }, (peer) => {
      const parts = [];
      peer.on('error', () => {});
      peer.on('data', (part) => parts.push(part));
      peer.on('end', () => {
        let answer;
        try {
          answer = compile(narrowed(Buffer.concat(parts).toString()));
        } catch (error) {
          used = LIMIT;
          answer = JSON.stringify({ errors: [{ severity: 'error', type: 'Exception', component: 'general', message: String(error) }] });
        }
        peer.end(answer);
      });
    })
    .listen(socket, () => process.stdout.write('ready\n'));
  process.stdin.on('end', () => process.exit(0)).resume();
}

if (process.argv[2] === 'serve') {
  serve(process.argv[3]);
} else if (process.argv.includes('--standard-json') && process.env.MUTATION_COMPILER) {
  const peer = net.connect({ path: process.env.MUTATION_COMPILER, allowHalfOpen: true });
  process.stdin.pipe(peer);
  peer.pipe(process.stdout);
} else {
  const solc = path.join(root, 'scripts', 'solc.real');
  try {
    execFileSync(solc, process.argv.slice(2), { stdio: 'inherit' });
  } catch (error) {
    process.exit(error.status || 1);
  }
}

#!/usr/bin/env node
// Exists before the first build, so that an install can link it and mark it as executable.
import '../dist/main.js';

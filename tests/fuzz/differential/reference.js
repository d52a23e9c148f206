// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: The Greenroom authors
//
// Node's HTTP server as a reader of requests:   node reference.js SOCKET
// It answers no request, but says at the end of each connection what it has read, one line a request,
//     SEEN METHOD TARGET-IN-HEX BODY-BYTES BODY-HASH
// of those that were complete, and how it ended: END eof, or END CODE of the error.
'use strict';
const http = require('http');

function hashOf(hash, data) {
  for (const byte of data) hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return hash;
}

function take(request, data) {
  request.readerBytes += data.length;
  request.readerHash = hashOf(request.readerHash, data);
}

function onRequest(request) {
  request.readerBytes = 0;
  request.readerHash = 2166136261;
  request.on('data', (data) => take(request, data));
  request.on('error', () => {});
  request.socket.readerRequests.push(request);
}

function finish(socket, how) {
  if (socket.readerFinished) return;
  socket.readerFinished = true;
  let text = '';
  for (const request of socket.readerRequests) {
    for (let left; (left = request.read()) !== null;) if (request.listenerCount('data') === 0) take(request, left);
    if (!request.complete) break;
    text += `SEEN ${request.method} ${Buffer.from(request.url, 'latin1').toString('hex')} ${request.readerBytes} ${request.readerHash}\n`;
  }
  socket.end(`${text}END ${how}\n`);
}

const server = http.createServer({ requireHostHeader: false, connectionsCheckingInterval: 1 << 30 });
server.httpAllowHalfOpen = true;
server.timeout = server.headersTimeout = server.requestTimeout = server.keepAliveTimeout = 0;
server.on('request', onRequest);
server.on('checkContinue', onRequest);
// What follows would be another protocol's.
server.on('upgrade', (request, socket) => finish(socket, 'UPGRADE'));
server.on('connect', (request, socket) => finish(socket, 'CONNECT'));
server.on('checkExpectation', (request) => finish(request.socket, 'EXPECTATION'));
server.on('clientError', (error, socket) => {
  if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy();
  finish(socket, error.code === 'HPE_INVALID_EOF_STATE' ? 'eof' : error.code);
});
server.on('connection', (socket) => {
  socket.readerRequests = [];
  socket.on('end', () => setImmediate(finish, socket, 'eof'));
  socket.on('error', () => {});
});
server.listen(process.argv[2], () => console.log('listening'));

// Keeps a node server on this machine. Rule: whatever address a server asks for, it listens on 127.0.0.1.
// kinesis-local binds every interface and has no setting for it; it is started with `node --require` this file.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  if (args[0] !== null && typeof args[0] === "object") args[0] = { ...args[0], host: "127.0.0.1" };
  else if (typeof args[1] === "string") args[1] = "127.0.0.1";
  else args.splice(1, 0, "127.0.0.1");
  return listen.apply(this, args);
};

// Opens the live channel of the issue page and says whether it stands.
(function () {
  "use strict";
  var mark = document.getElementById("live");
  if (!mark) { return; }
  var scheme = location.protocol === "https:" ? "wss://" : "ws://";
  var socket = new WebSocket(scheme + location.host + mark.dataset.socket);
  function show(text, on) { mark.textContent = text; mark.classList.toggle("on", on); }
  socket.onmessage = function (message) {
    var hello = JSON.parse(message.data);
    if (hello.event === "hello") { show("live", true); mark.title = "Live as " + hello.username; }
  };
  socket.onclose = function () { show("offline", false); };
}());

// Reads Kubernetes objects of operators as JSON and prints, for each, what is wrong with it ("" if nothing is).
import { HTTPRoute } from "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
import { PrometheusRule } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const KINDS = { HTTPRoute, PodMonitor, PrometheusRule, ServiceMonitor };

let text = "";
for await (const chunk of process.stdin) text += chunk;

const faults = JSON.parse(text).map((item) => {
  try {
    new KINDS[item.kind](item).validate();
    return "";
  } catch (error) {
    return error.message || String(error);
  }
});
process.stdout.write(JSON.stringify(faults));

# shellcheck shell=sh
# What `helm test` runs: STREAM in NAMESPACE comes, is ready, and goes. Memory only, no replicas: it
# must work on every NATS.
connection=
if [ -n "$CONNECTION" ]; then
    connection="connection: {name: $CONNECTION}"
fi
kubectl -n "$NAMESPACE" delete --ignore-not-found --timeout="$TIMEOUT" "cozestream/$STREAM"
kubectl create -f - <<EOF
apiVersion: jetstream.coze.dev/v1alpha1
kind: CozeStream
metadata:
  name: $STREAM
  namespace: $NAMESPACE
spec:
  $connection
  subjects: ["$SUBJECT"]
  storage: memory
  replicas: 1
  maxMsgs: 1
EOF

outcome=0
if ! kubectl -n "$NAMESPACE" wait --for=condition=Ready --timeout="$TIMEOUT" "cozestream/$STREAM"; then
    outcome=1
    echo "The stream did not become ready. This is how it stands:"
    kubectl -n "$NAMESPACE" get "cozestream/$STREAM" -o yaml
fi
kubectl -n "$NAMESPACE" delete --timeout="$TIMEOUT" "cozestream/$STREAM"
exit "$outcome"

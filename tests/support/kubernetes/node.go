package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	coordination "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
)

// Annotations by which a pod says how it behaves. An image whose name has `broken` or `missing` in it is never pulled.
const (
	exitCode = "jetway.test/exit-code" // the containers end with this code; what follows is up to restartPolicy
	after    = "jetway.test/after"     // how long until the pod is ready, or ends (200ms when not given)
	ready    = "jetway.test/ready"     // "false": it runs and never becomes ready
	logs     = "jetway.test/logs"      // what `kubectl logs` shows of it
)

const nodeName = "node-0"

// podsLabel says what a node does to pods: `pretend`, or `run`.
const podsLabel = "jetway.test/pods"

// node takes up every pod that is bound to it, and runs none: it writes the status that a kubelet would come to.
type node struct {
	client *kubernetes.Clientset
	port   int
	ip     atomic.Uint32
}

func newNode(client *kubernetes.Clientset) *node { return &node{client: client} }

func (n *node) start(ctx context.Context) error {
	if err := n.serveLogs(); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	go func() {
		for ; ; time.Sleep(10 * time.Second) {
			n.renewLease(ctx)
		}
	}()
	ours := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", nodeName).String()
	}
	factory := informers.NewSharedInformerFactoryWithOptions(n.client, 0, informers.WithTweakListOptions(ours))
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.sync(ctx, o.(*v1.Pod)) },
		UpdateFunc: func(_, o any) { n.sync(ctx, o.(*v1.Pod)) },
	})
	factory.Start(ctx.Done())
	return err
}

func (n *node) register(ctx context.Context) error {
	labels := map[string]string{"kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", podsLabel: "pretend"}
	object := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: labels}}
	object, err := n.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	now := metav1.Now()
	room := v1.ResourceList{
		"cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi"),
		"pods": resource.MustParse("500"), "ephemeral-storage": resource.MustParse("1Ti"),
	}
	object.Status = v1.NodeStatus{
		Capacity: room, Allocatable: room,
		Addresses:       []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: "127.0.0.1"}, {Type: v1.NodeHostName, Address: nodeName}},
		DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: int32(n.port)}},
		Conditions: []v1.NodeCondition{{
			Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
		}},
		NodeInfo: v1.NodeSystemInfo{KubeletVersion: "v1.33.13", OperatingSystem: "linux", Architecture: "amd64"},
	}
	_, err = n.client.CoreV1().Nodes().UpdateStatus(ctx, object, metav1.UpdateOptions{})
	return err
}

// renewLease keeps the controllers from taking the node for lost.
func (n *node) renewLease(ctx context.Context) {
	leases := n.client.CoordinationV1().Leases(v1.NamespaceNodeLease)
	now, seconds, holder := metav1.NowMicro(), int32(40), nodeName
	lease, err := leases.Get(ctx, nodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordination.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName},
			Spec:       coordination.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}, metav1.CreateOptions{})
	} else if err == nil {
		lease.Spec.RenewTime = &now
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil {
		klog.ErrorS(err, "the node's lease")
	}
}

// sync moves a pod that has just been bound on to running, and later to ready or to its end.
func (n *node) sync(ctx context.Context, pod *v1.Pod) {
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		only := &metav1.Preconditions{UID: &pod.UID}
		go n.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: only})
		return
	}
	if pod.Status.Phase != v1.PodPending || pod.Status.StartTime != nil {
		return
	}
	status, pulled := n.begun(pod)
	if !n.write(ctx, pod, status) || !pulled {
		return
	}
	delay, err := time.ParseDuration(pod.Annotations[after])
	if err != nil {
		delay = 200 * time.Millisecond
	}
	time.AfterFunc(delay, func() { n.write(ctx, pod, settled(pod, status)) })
}

// begun is the status of a pod whose containers have just been started, and whether all images are there.
func (n *node) begun(pod *v1.Pod) (v1.PodStatus, bool) {
	status := v1.PodStatus{Phase: v1.PodPending, HostIP: "127.0.0.1", HostIPs: []v1.HostIP{{IP: "127.0.0.1"}}, StartTime: ptr(metav1.Now())}
	// Nobody listens there. An address on loopback would be refused in endpoints.
	ip := n.ip.Add(1)
	status.PodIP = net.IPv4(198, 18, byte(ip>>8), byte(ip)).String()
	status.PodIPs = []v1.PodIP{{IP: status.PodIP}}
	pulled := true
	for _, c := range pod.Spec.Containers {
		s := v1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: "test://" + c.Image, Started: ptr(true)}
		if isNeverPulled(c.Image) {
			pulled = false
			s.Started = ptr(false)
			s.State.Waiting = &v1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: fmt.Sprintf("Back-off pulling image %q", c.Image)}
		} else {
			s.State.Running = &v1.ContainerStateRunning{StartedAt: metav1.Now()}
		}
		status.ContainerStatuses = append(status.ContainerStatuses, s)
	}
	for _, c := range pod.Spec.InitContainers {
		done := v1.ContainerState{Terminated: &v1.ContainerStateTerminated{Reason: "Completed"}}
		status.InitContainerStatuses = append(status.InitContainerStatuses, v1.ContainerStatus{Name: c.Name, Image: c.Image, Ready: true, State: done})
	}
	if pulled {
		status.Phase = v1.PodRunning
	}
	setReady(&status, false)
	return status, pulled
}

// settled is the status that a pod's annotations ask for.
func settled(pod *v1.Pod, begun v1.PodStatus) v1.PodStatus {
	status := *begun.DeepCopy()
	text, ends := pod.Annotations[exitCode]
	code, _ := strconv.Atoi(text)
	once := pod.Spec.RestartPolicy != v1.RestartPolicyAlways
	switch {
	case once && (ends || pod.Annotations[ready] == ""):
		status.Phase = v1.PodSucceeded
		if code != 0 {
			status.Phase = v1.PodFailed
		}
		for i := range status.ContainerStatuses {
			s := &status.ContainerStatuses[i]
			s.Started, s.State = ptr(false), v1.ContainerState{Terminated: ended(code, *begun.StartTime)}
		}
	case ends:
		for i := range status.ContainerStatuses {
			s := &status.ContainerStatuses[i]
			s.Started, s.RestartCount = ptr(false), 3
			s.State = v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting failed container"}}
			s.LastTerminationState = v1.ContainerState{Terminated: ended(code, *begun.StartTime)}
		}
	case pod.Annotations[ready] != "false":
		setReady(&status, true)
	}
	return status
}

func ended(code int, started metav1.Time) *v1.ContainerStateTerminated {
	reason := "Completed"
	if code != 0 {
		reason = "Error"
	}
	return &v1.ContainerStateTerminated{ExitCode: int32(code), Reason: reason, StartedAt: started, FinishedAt: metav1.Now()}
}

func setReady(status *v1.PodStatus, isReady bool) {
	s := v1.ConditionFalse
	if isReady {
		s = v1.ConditionTrue
	}
	now := metav1.Now()
	status.Conditions = []v1.PodCondition{
		{Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: now},
		{Type: v1.PodInitialized, Status: v1.ConditionTrue, LastTransitionTime: now},
		{Type: v1.ContainersReady, Status: s, LastTransitionTime: now},
		{Type: v1.PodReady, Status: s, LastTransitionTime: now},
	}
	for i := range status.ContainerStatuses {
		status.ContainerStatuses[i].Ready = isReady
	}
}

// write says whether the status was written. The last one to write wins.
func (n *node) write(ctx context.Context, pod *v1.Pod, status v1.PodStatus) bool {
	changed := pod.DeepCopy()
	changed.ResourceVersion = ""
	changed.Status = status
	_, err := n.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		klog.ErrorS(err, "a pod's status", "pod", klog.KObj(pod))
	}
	return err == nil
}

// serveLogs is the part of a kubelet's interface that `kubectl logs` and `helm test --logs` need.
func (n *node) serveLogs() error {
	certificate, key, err := certutil.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	n.port = listener.Addr().(*net.TCPAddr).Port
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		pod, err := n.client.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		text := pod.Annotations[logs]
		if text == "" {
			text = "log of " + pod.Name + "\n"
		}
		_, _ = io.WriteString(w, text)
	})
	go http.Serve(listener, mux)
	return nil
}

func ptr[T any](v T) *T { return &v }

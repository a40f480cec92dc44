package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cloud "k8s.io/cloud-provider/api"
)

// A node whose pods really run: a kubelet of this binary, with containerd and runc of this machine.
//
// All that it is lives in namespaces of its own, of processes and of mounts: when its first process ends, however that comes
// about, the kernel ends every container and takes every mount away. Nothing of the machine's network is touched: a pod
// has its loopback, and an address that is only a string. The settings of the kernel that a kubelet insists on are
// private files, so that they change for nobody. What is left for the cluster to remove are control groups, and DIR.

const (
	containersNode = "node-1"
	busybox        = "/bin/busybox"
	searchPath     = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// settings are what a kubelet, or what it calls, writes below /proc/sys.
var settings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes", "net/ipv4/ip_forward",
}

// volatile are directories that the parts of a node expect to be theirs.
var volatile = []string{"/run", "/var"}

// startContainers adds the node to a cluster that is up, and waits until it takes pods.
func (c *cluster) startContainers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := c.mayRunContainers(); err != nil {
		return err
	}
	dir := c.containersDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	log, err := os.Create(c.log("node"))
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command("/proc/self/exe", "node", "--dir", dir)
	command.Env = []string{"PATH=" + searchPath, "HOME=" + dir, "KUBECONFIG=" + c.kubeconfig()}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
	}
	started := make(chan error)
	c.start <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return err
	}
	// It ends by itself when one of its parts does.
	ended := make(chan struct{})
	go func() {
		_ = command.Wait()
		close(ended)
	}()
	c.endContainers = func() {
		_ = command.Process.Kill()
		<-ended
		removeControlGroups(controlGroup(dir))
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	nodes := client.CoreV1().Nodes()
	isReady := func() (bool, error) {
		node, err := nodes.Get(ctx, containersNode, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		// A kubelet takes no address on loopback for its own. It is told of one, as by the controller of a cloud.
		if !slices.ContainsFunc(node.Status.Addresses, func(a v1.NodeAddress) bool { return a.Type == v1.NodeInternalIP }) {
			patch := `{"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": "` + containersNode + `"}]}}`
			_, err = nodes.Patch(ctx, containersNode, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
			return false, err
		}
		if slices.ContainsFunc(node.Spec.Taints, func(t v1.Taint) bool { return t.Key == cloud.TaintExternalCloudProvider }) {
			_, err = nodes.Patch(ctx, containersNode, types.MergePatchType, []byte(`{"spec": {"taints": null}}`), metav1.PatchOptions{})
			return false, err
		}
		is := slices.ContainsFunc(node.Status.Conditions, func(c v1.NodeCondition) bool {
			return c.Type == v1.NodeReady && c.Status == v1.ConditionTrue
		})
		return is && len(node.Spec.Taints) == 0, nil
	}
	for {
		ready, err := isReady()
		if ready {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the node ended: %s", strings.ReplaceAll(tail(c.log("node")), "\n", "; "))
		case <-ctx.Done():
			return fmt.Errorf("the node is not ready in time (%v): %s", err, strings.ReplaceAll(tail(c.log("node")), "\n", "; "))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// mayRunContainers says what this machine lacks.
func (c *cluster) mayRunContainers() error {
	if os.Getuid() != 0 {
		return errors.New("only root may run a kubelet")
	}
	for _, program := range []string{"containerd", "containerd-shim-runc-v2", "runc", "nsenter", "mount"} {
		found := false
		for _, dir := range filepath.SplitList(searchPath) {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				found = true
			}
		}
		if !found {
			return fmt.Errorf("there is no %s (`make deps` installs it)", program)
		}
	}
	if _, err := os.Stat(busybox); err != nil {
		return fmt.Errorf("there is no %s (`make deps` installs it)", busybox)
	}
	for _, path := range volatile {
		if strings.HasPrefix(c.dir, path+"/") {
			return fmt.Errorf("%s is hidden from the node, and %s is in it", path, c.dir)
		}
	}
	return nil
}

func (c *cluster) containersDir() string { return filepath.Join(c.dir, "containers") }

// controlGroup is what the node's own control group is called, in each hierarchy.
func controlGroup(dir string) string {
	return "jetway-tests-" + strings.TrimLeft(filepath.Base(filepath.Dir(dir)), ".")
}

// hierarchies are the directories that control groups are made in: one for each controller, or one for all.
func hierarchies() []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{root}
	}
	dirs, _ := filepath.Glob(filepath.Join(root, "*/"))
	return dirs
}

func removeControlGroups(name string) {
	for _, hierarchy := range hierarchies() {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			_ = syscall.Rmdir(dirs[i])
		}
	}
}

func newNodeCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:           "node",
		Short:         "Is the first process of a node whose pods really run",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			err := runNode(dir)
			fmt.Fprintln(os.Stderr, err)
			return err
		},
	}
	command.Flags().StringVar(&dir, "dir", "", "what is there for the node alone")
	_ = command.MarkFlagRequired("dir")
	return command
}

// runNode returns when one of the node's parts has ended.
func runNode(dir string) error {
	if os.Getpid() != 1 {
		return errors.New("a node wants namespaces of its own")
	}
	if err := hideMachine(dir); err != nil {
		return err
	}
	registry, err := serveImages()
	if err != nil {
		return fmt.Errorf("images: %w", err)
	}
	if err := writeNode(dir, registry); err != nil {
		return err
	}
	for _, hierarchy := range hierarchies() {
		if err := os.MkdirAll(filepath.Join(hierarchy, controlGroup(dir)), 0o755); err != nil {
			return err
		}
	}
	parts := map[int]string{}
	socket := filepath.Join(dir, "containerd.sock")
	pid, err := spawn(filepath.Join(dir, "..", "containerd.log"), "/usr/bin/env", "containerd", "--config", filepath.Join(dir, "containerd.toml"))
	if err != nil {
		return err
	}
	parts[pid] = "containerd"
	for tenths := 0; ; tenths++ {
		connection, err := net.Dial("unix", socket)
		if err == nil {
			connection.Close()
			break
		}
		if tenths == 300 {
			return fmt.Errorf("containerd does not listen: %s", tail(filepath.Join(dir, "..", "containerd.log")))
		}
		time.Sleep(100 * time.Millisecond)
	}
	pid, err = spawn(filepath.Join(dir, "..", "kubelet.log"), "/proc/self/exe", "kubelet",
		"--config="+filepath.Join(dir, "kubelet.yaml"), "--kubeconfig="+os.Getenv("KUBECONFIG"),
		"--root-dir="+filepath.Join(dir, "kubelet"), "--cert-dir="+filepath.Join(dir, "kubelet-pki"),
		"--hostname-override="+containersNode, "--cloud-provider=external", "--node-labels="+podsLabel+"=run",
	)
	if err != nil {
		return err
	}
	parts[pid] = "kubelet"
	// What containers leave behind becomes the first process's, too.
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if name, is := parts[ended]; is {
			return fmt.Errorf("%s ended (%d): %s", name, status.ExitStatus(), tail(filepath.Join(dir, "..", name+".log")))
		}
	}
}

// spawn starts a part of the node. It is waited for with all the others.
func spawn(log string, arguments ...string) (int, error) {
	file, err := os.Create(log)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	process, err := os.StartProcess(arguments[0], arguments, &os.ProcAttr{Env: os.Environ(), Files: []*os.File{null, file, file}})
	if err != nil {
		return 0, err
	}
	return process.Pid, nil
}

// hideMachine gives the node its own /proc, /run and /var, and copies of the settings that it changes.
func hideMachine(dir string) error {
	// What goes away on the machine goes away here, and nothing the other way round.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	for _, path := range volatile {
		if err := syscall.Mount("jetway-tests", path, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, name := range settings {
		real, copied := filepath.Join("/proc/sys", name), filepath.Join(dir, "settings", name)
		value, err := os.ReadFile(real)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(copied, value, 0o600); err != nil {
			return err
		}
		if err := syscall.Mount(copied, real, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", real, err)
		}
	}
	return nil
}

// network is what gives a pod its network: `loopback` is called for each by containerd, `address` because it is configured.
const network = `#!/bin/sh
case $CNI_COMMAND:${0##*/} in
VERSION:*) echo '{"cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0"]}' ;;
ADD:loopback)
  nsenter --net="$CNI_NETNS" busybox ip link set lo up >&2 || exit 1
  echo '{"cniVersion": "0.4.0", "interfaces": [{"name": "lo", "sandbox": "'$CNI_NETNS'"}]}'
  ;;
ADD:address)
  number=$(printf %d 0x$(printf %.4s "$CNI_CONTAINERID"))
  echo '{"cniVersion": "0.4.0", "interfaces": [{"name": "eth0", "sandbox": "'$CNI_NETNS'"}],
         "ips": [{"version": "4", "interface": 0, "address": "198.19.'$((number / 256)).$((number % 256))'/32"}]}'
  ;;
esac
`

// writeNode writes the configuration of all parts.
func writeNode(dir, registry string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	files := []struct {
		name, text string
		mode       os.FileMode
	}{
		{"cni/loopback", network, 0o700},
		{"cni/address", network, 0o700},
		{"cni/net.d/address.conflist", `{"cniVersion": "0.4.0", "name": "jetway", "plugins": [{"type": "address"}]}`, 0o600},
		{"registries/_default/hosts.toml", fmt.Sprintf("server = %q\n[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", registry, registry), 0o600},
		{"containerd.toml", fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.opt"]
[grpc]
  address = %q
[ttrpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "jetway.test/pause:1"
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  disable_apparmor = true
  # Not every root may make a process dearer to the kernel than its own.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  # It is slow, and there on every file system.
  snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = %q
  conf_dir = %q
[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = %q
`, in("containerd"), in("containerd-state"), in("containerd.sock"), in("containerd.ttrpc"), in("cni"), in("cni/net.d"), in("registries")), 0o600},
		{"kubelet.yaml", fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: %d
healthzPort: 0
readOnlyPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: %q}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: %q
cgroupDriver: cgroupfs
cgroupRoot: %q
enforceNodeAllocatable: []
oomScoreAdj: 0
failSwapOn: false
failCgroupV1: false
makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 1Mi, nodefs.available: 0%%, nodefs.inodesFree: 0%%, imagefs.available: 0%%, imagefs.inodesFree: 0%%}
resolvConf: ""
clusterDNS: [127.0.0.1]
nodeStatusUpdateFrequency: 2s
syncFrequency: 2s
`, port, in("../pki/ca.crt"), "unix://"+in("containerd.sock"), "/"+controlGroup(dir)), 0o600},
	}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(in(file.name)), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(in(file.name), []byte(file.text), file.mode); err != nil {
			return err
		}
	}
	return nil
}

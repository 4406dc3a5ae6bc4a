package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// File is a file of an image: exactly one of Source, Content and Link, or none of
// them for a directory.
type File struct {
	Path    string // in the image, absolute
	Source  string // a file of this machine
	Content string
	Link    string      // the target of a symbolic link
	Mode    os.FileMode // 0: that of the source, 0644 for content, 0755 for a directory
}

// platform is this machine's: files of it go into the image.
func platform() v1.Platform { return v1.Platform{OS: "linux", Architecture: runtime.GOARCH} }

// layer is all files in a tar archive, sorted, with the directories that they need.
func (i Image) layer() ([]byte, error) {
	files := slices.Clone(i.Files)
	for _, dir := range []string{"/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var"} {
		files = append(files, File{Path: dir})
	}
	slices.SortStableFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	l := layer{dirs: map[string]bool{"/": true}}
	l.tar = tar.NewWriter(&l.out)
	for _, f := range files {
		if err := l.add(f); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	err := l.tar.Close()
	return l.out.Bytes(), err
}

type layer struct {
	out  bytes.Buffer
	tar  *tar.Writer
	dirs map[string]bool
}

func (l *layer) add(f File) error {
	if !path.IsAbs(f.Path) {
		return errors.New("a path in an image must be absolute")
	}
	if err := l.directories(path.Dir(f.Path)); err != nil {
		return err
	}
	header := tar.Header{Name: f.Path[1:], Mode: int64(f.Mode.Perm()), ModTime: made()}
	var content []byte
	switch {
	case f.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.Link, 0o777
	case f.Source != "":
		info, err := os.Stat(f.Source)
		if err != nil {
			return err
		}
		if content, err = os.ReadFile(f.Source); err != nil {
			return err
		}
		if f.Mode == 0 {
			header.Mode = int64(info.Mode().Perm())
		}
		header.Typeflag = tar.TypeReg
	case f.Content != "":
		content, header.Typeflag = []byte(f.Content), tar.TypeReg
		if f.Mode == 0 {
			header.Mode = 0o644
		}
	default:
		return l.directories(f.Path)
	}
	header.Size = int64(len(content))
	if err := l.tar.WriteHeader(&header); err != nil {
		return err
	}
	_, err := l.tar.Write(content)
	return err
}

// directories adds a directory and those around it, once.
func (l *layer) directories(dir string) error {
	if l.dirs[dir] {
		return nil
	}
	if err := l.directories(path.Dir(dir)); err != nil {
		return err
	}
	l.dirs[dir] = true
	mode := int64(0o755)
	if dir == "/tmp" {
		mode = 0o1777
	}
	return l.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: mode, ModTime: made()})
}

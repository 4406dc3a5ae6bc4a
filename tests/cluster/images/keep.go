package images

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/sluice-net/sluice/deploy/image"
)

// keep makes an archive unless there is one of the same recipe, which is kept beside it.
func keep(file string, i image.Image) error {
	recipe, err := recipeOf(i)
	if err != nil {
		return err
	}
	beside := file + ".recipe"
	made, err := os.ReadFile(beside)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, missing := os.Stat(file); missing == nil && bytes.Equal(made, recipe) {
		return nil
	}
	// Who is interrupted between the two leaves no recipe, and makes it again.
	if err := os.RemoveAll(beside); err != nil {
		return err
	}
	if err := i.Write(file); err != nil {
		return err
	}
	return os.WriteFile(beside, recipe, 0o644)
}

// recipeOf is all that decides what an image is: what it says of itself, and the sizes
// and times of the files that it takes.
func recipeOf(i image.Image) ([]byte, error) {
	var out bytes.Buffer
	encode := json.NewEncoder(&out)
	encode.SetIndent("", " ")
	if err := encode.Encode(i); err != nil {
		return nil, err
	}
	for _, f := range i.Files {
		if f.Source == "" {
			continue
		}
		source, err := os.Stat(f.Source)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(&out, f.Source, source.Size(), source.ModTime().UTC().Format(time.RFC3339Nano))
	}
	return out.Bytes(), nil
}

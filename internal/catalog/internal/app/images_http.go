package app

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/sasapick/shop/internal/catalog"
	"github.com/sasapick/shop/internal/catalog/media"
	"github.com/sasapick/shop/internal/platform/auth"
	"github.com/sasapick/shop/internal/platform/blob"
	"github.com/sasapick/shop/internal/platform/fault"
	"github.com/sasapick/shop/internal/platform/web"
)

const (
	uploadDeadline = time.Minute
	formOverhead   = 64 << 10  // of a form around its file
	linkLife       = time.Hour // of an address that a bucket gives
	mediaCache     = "public, max-age=31536000, immutable"
)

// media serves a thumbnail: from here where the store is a folder, else by an address of the bucket's for an hour.
func (h *HTTP) media(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	key, ok := media.Public(file)
	if !ok {
		web.WriteProblem(w, r, catalog.ErrNoImage)
		return
	}
	link, err := h.service.blobs.Link(r.Context(), key, linkLife)
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	if link != "" {
		w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(linkLife.Seconds())/2))
		http.Redirect(w, r, link, http.StatusTemporaryRedirect)
		return
	}
	content, err := h.service.blobs.Open(r.Context(), key)
	if errors.Is(err, blob.ErrNotFound) {
		err = catalog.ErrNoImage
	}
	if err != nil {
		web.WriteProblem(w, r, err)
		return
	}
	defer func() { _ = content.Close() }()
	header := w.Header()
	header.Set("Content-Type", media.MediaType)
	header.Set("Cache-Control", mediaCache)
	header.Set("ETag", `"`+file+`"`)
	http.ServeContent(w, r, "", content.ModTime(), content)
}

func (a *Admin) imageRoutes(api *web.API) {
	const path = "/admin/products/{id}/images"
	web.Register(api, web.Operation{
		ID: "list-product-images", Method: http.MethodGet, Path: path, Tag: tag,
		Summary: "List a product's pictures in order, the main one first",
		Role:    auth.Manager, Problems: []*fault.Error{catalog.ErrNoProduct},
	}, a.images)
	web.Register(api, web.Operation{
		ID: "add-product-image", Method: http.MethodPost, Path: path, Tag: tag,
		Summary: "Add a picture to a product",
		Description: "A JPEG, a PNG or a WebP, whatever its name says. Shoppers see it as soon as its thumbnails are made, and until then the one " +
			"that it replaces. The same picture again is that picture, and the answer 200.",
		Role: auth.Manager, Status: http.StatusCreated, Also: map[int]string{http.StatusOK: "The product has this picture already."},
		MaxBody: media.MaxBytes + formOverhead, Deadline: uploadDeadline,
		Problems: []*fault.Error{
			catalog.ErrNoProduct, catalog.ErrNoImage, catalog.ErrImageType, catalog.ErrImageTooLarge, catalog.ErrImageBroken,
			catalog.ErrTooManyImages, catalog.ErrImagesUnavailable,
		},
	}, a.addImage)
	web.Register(api, web.Operation{
		ID: "order-product-images", Method: http.MethodPut, Path: path, Tag: tag,
		Summary:     "Put a product's pictures into another order",
		Description: "The first is the main one. Each must be named once.",
		Role:        auth.Manager, Problems: []*fault.Error{catalog.ErrNoProduct, catalog.ErrOtherImages},
	}, a.orderImages)
	web.Register(api, web.Operation{
		ID: "remove-product-image", Method: http.MethodDelete, Path: path + "/{image_id}", Tag: tag,
		Summary: "Take a picture from a product",
		Role:    auth.Manager, Problems: []*fault.Error{catalog.ErrNoProduct, catalog.ErrNoImage},
	}, a.removeImage)
}

// imageView is a picture as admins see it.
type imageView struct {
	ID        uuid.UUID `json:"id" doc:"The picture's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3d"`
	State     string    `json:"state" enum:"processing,shown" doc:"processing: its thumbnails are being made." example:"shown"`
	URL       string    `json:"url,omitempty" doc:"Its address, as shoppers have it; absent while it is processed."`
	Width     int       `json:"width" doc:"How wide it is as it was uploaded, in pixels." example:"3000"`
	Height    int       `json:"height" doc:"How high it is." example:"2000"`
	SizeBytes int64     `json:"size_bytes" doc:"How large the file was." example:"1204312"`
	CreatedAt time.Time `json:"created_at" doc:"When it was uploaded." example:"2026-01-01T00:00:00Z"`
}

func viewOfImage(i Image) imageView {
	v := imageView{ID: i.ID, State: "processing", Width: i.Width, Height: i.Height, SizeBytes: i.SizeBytes, CreatedAt: i.CreatedAt}
	if i.Shown {
		v.State, v.URL = "shown", media.URL(i.Name)
	}
	return v
}

type imageList struct {
	Items []imageView `json:"items" doc:"The pictures in order, the main one first."`
}

type imagesOutput struct {
	Body imageList
}

func answerWithImages(images []Image, err error) (*imagesOutput, error) {
	if err != nil {
		return nil, err
	}
	out := &imagesOutput{Body: imageList{Items: make([]imageView, len(images))}}
	for i, image := range images {
		out.Body.Items[i] = viewOfImage(image)
	}
	return out, nil
}

func (a *Admin) images(ctx context.Context, in *ProductPath) (*imagesOutput, error) {
	return answerWithImages(a.service.Images(ctx, in.ID))
}

type imageForm struct {
	File huma.FormFile `form:"file" required:"true" doc:"The picture, of at most 10 MiB."`
}

type addImageInput struct {
	ProductPath
	Replaces uuid.UUID `query:"replaces" doc:"A picture of the product whose place it takes when it is shown. Left out: it is the last."`
	RawBody  huma.MultipartFormFiles[imageForm]
}

type addImageOutput struct {
	Status int
	Body   imageView
}

func (a *Admin) addImage(ctx context.Context, in *addImageInput) (*addImageOutput, error) {
	file := in.RawBody.Data().File
	defer func() { _ = file.Close() }()
	if file.Size > media.MaxBytes {
		return nil, web.ErrTooLarge.WithDetail("a picture has at most " + itoa(media.MaxBytes) + " bytes")
	}
	image, added, err := a.service.AddImage(ctx, AddImageInput{ProductID: in.ID, Replaces: in.Replaces, Content: file})
	if err != nil {
		return nil, err
	}
	out := &addImageOutput{Status: http.StatusOK, Body: viewOfImage(image)}
	if added {
		out.Status = http.StatusCreated
	}
	return out, nil
}

type orderImagesInput struct {
	ProductPath
	Body struct {
		ImageIDs []uuid.UUID `json:"image_ids" maxItems:"20" doc:"The ids of all of the product's pictures, the main one first."`
	}
}

func (a *Admin) orderImages(ctx context.Context, in *orderImagesInput) (*imagesOutput, error) {
	return answerWithImages(a.service.OrderImages(ctx, in.ID, in.Body.ImageIDs))
}

type removeImageInput struct {
	ProductPath
	ImageID uuid.UUID `path:"image_id" doc:"The picture's id." example:"0198b1f2-7d5e-7c3a-9a51-5e3c7a1b2c3e"`
}

func (a *Admin) removeImage(ctx context.Context, in *removeImageInput) (*struct{}, error) {
	return nil, a.service.RemoveImage(ctx, in.ID, in.ImageID)
}

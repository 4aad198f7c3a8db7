package seed

// domain is a part of the assortment that shares brands, words and the way in which it is described.
type domain struct {
	brands     []pair
	lines      []pair // between the brand and the kind: Air, Classic
	qualities  []pair
	sentences  []string // %[1]s brand, %[2]s kind, %[3]s quality, %[4]s the kind in English, %[5]s colour; the particles 가 and 로 after them are made to fit
	hasColor   bool
	modelCodes bool
}

// pair is a word in Korean and in English.
type pair struct{ ko, en string }

// kind is what a product is; it stands at the third level of the category tree.
type kind struct {
	pair
	slug     string
	from, to int64 // won
	sizes    []string
	tags     []string
}

type group struct {
	pair
	slug  string
	kinds []kind
}

type department struct {
	pair
	slug   string
	domain *domain
	groups []group
}

var (
	clothes  = []string{"XS", "S", "M", "L", "XL", "2XL"}
	trousers = []string{"26", "28", "30", "32", "34", "36"}
	shoes    = []string{"230", "240", "250", "260", "270", "280", "290"}
	free     = []string{"FREE"}
	bags     = []string{"S", "M", "L"}
	drops    = []string{"30ml", "50ml", "100ml", "150ml", "200ml"}
	bottles  = []string{"200ml", "400ml", "500ml", "1L"}
	grams    = []string{"200g", "500g", "1kg", "2kg"}
	packs    = []string{"1개입", "5개입", "10개입", "20개입"}
	storages = []string{"128GB", "256GB", "512GB", "1TB"}
	inches   = []string{"24인치", "27인치", "32인치"}
	beds     = []string{"S", "SS", "Q", "K"}
)

var colors = []pair{
	{"블랙", "Black"},
	{"화이트", "White"},
	{"네이비", "Navy"},
	{"그레이", "Gray"},
	{"베이지", "Beige"},
	{"카키", "Khaki"},
	{"레드", "Red"},
	{"블루", "Blue"},
	{"그린", "Green"},
	{"핑크", "Pink"},
	{"브라운", "Brown"},
	{"아이보리", "Ivory"},
}

var fashion = &domain{
	brands: []pair{
		{"나이키", "Nike"},
		{"아디다스", "Adidas"},
		{"푸마", "Puma"},
		{"뉴발란스", "New Balance"},
		{"컨버스", "Converse"},
		{"휠라", "Fila"},
		{"노스페이스", "North Face"},
		{"한결", "Hangyeol"},
		{"모닝스티치", "Morning Stitch"},
		{"어반리프", "Urban Leaf"},
		{"서울루프", "Seoul Loop"},
		{"데일리로그", "Daily Log"},
		{"린넨하우스", "Linen House"},
		{"노르딕데이", "Nordic Day"},
		{"코튼필드", "Cotton Field"},
		{"무드앤핏", "Mood & Fit"},
		{"블루밍고", "Bloomingo"},
		{"소담", "Sodam"},
		{"더라인업", "The Lineup"},
		{"온유", "Onyou"},
	},
	lines: []pair{
		{"에어", "Air"},
		{"클래식", "Classic"},
		{"에센셜", "Essential"},
		{"어반", "Urban"},
		{"헤리티지", "Heritage"},
		{"데일리", "Daily"},
		{"스튜디오", "Studio"},
		{"프리미엄", "Premium"},
		{"오리지널", "Original"},
		{"시즌", "Season"},
		{"소프트", "Soft"},
		{"모던", "Modern"},
	},
	qualities: []pair{
		{"오버핏", "Oversized"},
		{"경량", "Lightweight"},
		{"방수", "Waterproof"},
		{"기모", "Fleece-lined"},
		{"스트레치", "Stretch"},
		{"코튼", "Cotton"},
		{"린넨", "Linen"},
		{"울", "Wool"},
		{"쿨링", "Cooling"},
		{"빈티지", "Vintage"},
		{"베이직", "Basic"},
		{"와이드", "Wide"},
	},
	sentences: []string{
		"%[1]s의 %[3]s %[2]s입니다.",
		"매일 손이 가는 편안한 착용감과 깔끔한 실루엣이 특징입니다.",
		"어떤 옷에도 잘 어울리는 %[5]s 컬러로 출시되었습니다.",
		"계절이 바뀌어도 오래 입을 수 있는 timeless design입니다.",
		"피부에 닿는 부분은 부드러운 원단을 사용했습니다.",
		"An everyday %[4]s you will reach for first, 가볍고 튼튼합니다.",
		"세탁 후에도 형태가 잘 유지됩니다.",
	},
	hasColor: true,
}

var footwear = fashion.with([]pair{
	{"경량", "Lightweight"}, {"방수", "Waterproof"}, {"쿠션", "Cushioned"}, {"통기성", "Breathable"}, {"논슬립", "Non-slip"}, {"빈티지", "Vintage"}, {"와이드", "Wide"}, {"베이직", "Basic"},
})

var bagware = fashion.with([]pair{
	{"경량", "Lightweight"}, {"방수", "Waterproof"}, {"가죽", "Leather"}, {"미니멀", "Minimal"}, {"빈티지", "Vintage"}, {"베이직", "Basic"}, {"캐주얼", "Casual"},
})

// with is the same domain with other qualities.
func (d domain) with(qualities []pair) *domain {
	d.qualities = qualities
	return &d
}

var beauty = &domain{
	brands: []pair{
		{"설화수", "Sulwhasoo"},
		{"라네즈", "Laneige"},
		{"이니스프리", "Innisfree"},
		{"맑은결", "Malgeun"},
		{"글로우랩", "Glow Lab"},
		{"시카데이", "Cica Day"},
		{"백년초", "Baeknyeoncho"},
		{"퓨어솔트", "Pure Salt"},
		{"달빛정원", "Moonlight Garden"},
		{"더마노트", "Derma Note"},
	},
	lines: []pair{
		{"하이드로", "Hydro"}, {"시카", "Cica"}, {"비타민", "Vitamin"}, {"그린티", "Green Tea"}, {"콜라겐", "Collagen"}, {"로즈", "Rose"}, {"히알루론", "Hyaluron"}, {"세라마이드", "Ceramide"},
	},
	qualities: []pair{
		{"수분", "Moisture"}, {"진정", "Calming"}, {"미백", "Brightening"}, {"탄력", "Firming"}, {"저자극", "Gentle"}, {"고보습", "Rich"}, {"산뜻한", "Fresh"}, {"비건", "Vegan"},
	},
	sentences: []string{
		"%[1]s %[3]s %[2]s로 하루 종일 촉촉한 피부를 느껴 보세요.",
		"민감한 피부도 안심하고 사용할 수 있도록 피부 자극 테스트를 마쳤습니다.",
		"가볍게 스며들어 끈적임이 남지 않습니다.",
		"Dermatologist tested, 매일 아침저녁으로 사용하기 좋은 %[4]s입니다.",
		"자연에서 온 성분을 담아 은은한 향이 오래 지속됩니다.",
		"세안 후 적당량을 덜어 부드럽게 펴 발라 주세요.",
	},
}

var digital = &domain{
	brands: []pair{
		{"삼성", "Samsung"},
		{"LG", "LG"},
		{"애플", "Apple"},
		{"소니", "Sony"},
		{"로지텍", "Logitech"},
		{"하늘전자", "Haneul"},
		{"비트웨이브", "Bitwave"},
		{"노바테크", "Novatech"},
		{"픽셀온", "Pixelon"},
		{"사운드하우스", "Sound House"},
		{"이지커넥트", "Easy Connect"},
		{"코어랩", "Core Lab"},
	},
	lines: []pair{
		{"프로", "Pro"}, {"울트라", "Ultra"}, {"라이트", "Lite"}, {"플러스", "Plus"}, {"맥스", "Max"}, {"에어", "Air"}, {"네오", "Neo"}, {"엣지", "Edge"},
	},
	qualities: []pair{
		{"무선", "Wireless"}, {"고속", "Fast"}, {"4K", "4K"}, {"게이밍", "Gaming"}, {"저소음", "Silent"}, {"초경량", "Ultralight"}, {"방수", "Waterproof"}, {"휴대용", "Portable"},
	},
	sentences: []string{
		"%[1]s의 %[3]s %[2]s로 일과 여가를 모두 더 편리하게 만들어 보세요.",
		"한 번 충전으로 오래 사용할 수 있는 대용량 배터리를 담았습니다.",
		"USB-C와 Bluetooth 5.3을 지원해 다양한 기기와 바로 연결됩니다.",
		"Plug and play: 별도의 설치 없이 바로 사용할 수 있는 %[4]s입니다.",
		"국내 정식 제품으로 1년 무상 보증을 제공합니다.",
		"책상 위 어디에나 어울리는 %[5]s 컬러의 미니멀 디자인입니다.",
	},
	hasColor:   true,
	modelCodes: true,
}

var appliance = &domain{
	brands: []pair{
		{"삼성", "Samsung"},
		{"LG", "LG"},
		{"다이슨", "Dyson"},
		{"필립스", "Philips"},
		{"하늘전자", "Haneul"},
		{"온기", "Ongi"},
		{"바람결", "Baramgyeol"},
		{"쿡메이트", "Cookmate"},
		{"클린홈", "Clean Home"},
		{"모던키친", "Modern Kitchen"},
		{"해오름", "Haeoreum"},
	},
	lines: []pair{
		{"스마트", "Smart"}, {"컴팩트", "Compact"}, {"프리미엄", "Premium"}, {"에코", "Eco"}, {"홈", "Home"}, {"퓨어", "Pure"}, {"터보", "Turbo"},
	},
	qualities: []pair{
		{"저소음", "Quiet"}, {"대용량", "Large"}, {"무선", "Cordless"}, {"절전", "Energy-saving"}, {"자동", "Automatic"}, {"미니", "Mini"}, {"IoT", "IoT"},
	},
	sentences: []string{
		"%[1]s %[3]s %[2]s로 집안일이 한결 가벼워집니다.",
		"에너지 소비효율 1등급으로 전기 요금 부담을 줄였습니다.",
		"간단한 터치로 누구나 쉽게 사용할 수 있습니다.",
		"Easy to clean: 분리해서 물로 씻을 수 있는 %[4]s입니다.",
		"밤에도 방해되지 않는 조용한 작동음을 구현했습니다.",
		"전국 서비스 센터에서 무상 A/S를 받을 수 있습니다.",
	},
	hasColor:   true,
	modelCodes: true,
}

var food = &domain{
	brands: []pair{
		{"농심", "Nongshim"},
		{"오뚜기", "Ottogi"},
		{"산들농장", "Sandeul Farm"},
		{"바다소리", "Badasori"},
		{"아침한술", "Achim Hansul"},
		{"커피아틀리에", "Coffee Atelier"},
		{"정담", "Jeongdam"},
		{"지리산마을", "Jirisan Village"},
		{"너트하우스", "Nut House"},
		{"달콤상회", "Dalkom"},
		{"초록밭", "Green Patch"},
	},
	lines: []pair{
		{"국내산", "Korean"}, {"유기농", "Organic"}, {"전통", "Traditional"}, {"프리미엄", "Premium"}, {"산지직송", "Farm-direct"}, {"홈메이드", "Homemade"}, {"수제", "Handmade"},
	},
	qualities: []pair{
		{"신선한", "Fresh"}, {"엄선한", "Selected"}, {"실속", "Value"}, {"무첨가", "Additive-free"}, {"선물용", "Gift"}, {"가정용", "Family-size"}, {"저염", "Low-sodium"}, {"햇살담은", "Sun-ripened"},
	},
	sentences: []string{
		"%[1]s가 정성껏 고른 재료로 만든 %[3]s %[2]s입니다.",
		"당일 작업해 신선한 상태로 배송합니다.",
		"합성 착향료와 방부제를 넣지 않았습니다.",
		"Perfect for sharing, 온 가족이 함께 즐기기 좋은 %[4]s입니다.",
		"서늘하고 건조한 곳에 보관해 주세요.",
		"선물용으로도 좋은 깔끔한 포장입니다.",
	},
}

var sports = &domain{
	brands: []pair{
		{"나이키", "Nike"},
		{"아디다스", "Adidas"},
		{"아식스", "Asics"},
		{"푸마", "Puma"},
		{"리복", "Reebok"},
		{"노스페이스", "North Face"},
		{"백두", "Baekdu"},
		{"한강레저", "Hangang Leisure"},
		{"캠프온", "Camp On"},
		{"라이드업", "Ride Up"},
		{"핏코어", "Fit Core"},
		{"오름", "Oreum"},
	},
	lines: []pair{
		{"트레일", "Trail"}, {"액티브", "Active"}, {"프로", "Pro"}, {"트레이닝", "Training"}, {"마스터", "Master"}, {"익스트림", "Extreme"}, {"라이트", "Light"},
	},
	qualities: []pair{
		{"초경량", "Ultralight"}, {"접이식", "Folding"}, {"미끄럼방지", "Anti-slip"}, {"방수", "Waterproof"}, {"고탄성", "High-rebound"}, {"입문용", "Beginner"}, {"프로용", "Pro-grade"},
	},
	sentences: []string{
		"%[1]s의 기술을 담은 %[3]s %[2]s입니다.",
		"초보자부터 숙련자까지 만족할 수 있는 안정감을 제공합니다.",
		"땀과 습기에 강한 소재를 사용했습니다.",
		"Built to last: 오래 써도 변형이 적은 %[4]s입니다.",
		"가볍게 접어 가방에 넣고 다니기 좋습니다.",
		"눈에 잘 띄는 %[5]s 컬러로 안전까지 생각했습니다.",
	},
	hasColor: true,
}

var living = &domain{
	brands: []pair{
		{"온마루", "Onmaru"},
		{"포근", "Pogeun"},
		{"나무결", "Namugyeol"},
		{"하루공방", "Haru Studio"},
		{"화이트룸", "White Room"},
		{"스톤앤오크", "Stone & Oak"},
		{"쿡메이트", "Cookmate"},
		{"맑은물", "Malgeunmul"},
		{"그린홈", "Green Home"},
		{"달그릇", "Moon Ware"},
		{"라운드테이블", "Round Table"},
		{"조각보", "Jogakbo"},
	},
	lines: []pair{
		{"내추럴", "Natural"}, {"모던", "Modern"}, {"노르딕", "Nordic"}, {"심플", "Simple"}, {"호텔식", "Hotel-style"}, {"원목", "Solid Wood"}, {"핸드메이드", "Handmade"},
	},
	qualities: []pair{
		{"순면", "Pure Cotton"}, {"접이식", "Folding"}, {"다용도", "Multi-use"}, {"친환경", "Eco-friendly"}, {"도톰한", "Thick"}, {"미니멀", "Minimal"}, {"논슬립", "Non-slip"},
	},
	sentences: []string{
		"%[1]s가 만든 %[3]s %[2]s로 공간의 분위기를 바꿔 보세요.",
		"작은 집에도 잘 어울리는 알맞은 크기입니다.",
		"관리하기 쉬운 소재로 매일 부담 없이 사용할 수 있습니다.",
		"Simple but warm, 오래 두고 쓰기 좋은 %[4]s입니다.",
		"차분한 %[5]s 톤이 어떤 인테리어와도 조화를 이룹니다.",
		"집들이와 신혼 선물로도 인기가 많습니다.",
	},
	hasColor: true,
}
